() => {
  // The ratio of WCAG 2, of each text that can be seen with what is really behind it.
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
  };
  const over = (top, under) => top.slice(0, 3).map((v, i) => v * top[3] + under[i] * (1 - top[3])).concat(1);
  const light = (c) => {
    const [r, g, b] = c.slice(0, 3).map((v) => { v /= 255; return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + 0.05) / (y + 0.05); };
  const ground = (node) => {
    const layers = [];
    for (let at = node; at; at = at.parentElement) {
      layers.push(rgba(getComputedStyle(at).backgroundColor));
      if (at.tagName === 'DIALOG') break;
    }
    return layers.reverse().reduce((under, top) => over(top, under), [255, 255, 255, 1]);
  };
  const scope = document.querySelector('dialog[open]') ?? document.body;
  const bad = []; let seen = 0;
  const walk = document.createTreeWalker(scope, NodeFilter.SHOW_TEXT);
  for (let text = walk.nextNode(); text; text = walk.nextNode()) {
    const node = text.parentElement;
    if (!text.data.trim() || !node.checkVisibility() || node.closest('.skip, noscript, datalist, option')) continue;
    const style = getComputedStyle(node); const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const behind = ground(node);
    const found = ratio(over(rgba(style.color), behind), behind);
    seen += 1;
    if (found < (large ? 3 : 4.5)) bad.push(`${found.toFixed(2)} ${style.color} '${text.data.trim().slice(0, 30)}'`);
  }
  for (const node of scope.querySelectorAll('button:not(.link), input, select, textarea')) {
    if (!node.checkVisibility() || node.closest('.chip')) continue;
    const style = getComputedStyle(node);
    const found = ratio(rgba(style.borderTopColor), ground(node.parentElement));
    seen += 1;
    if (found < 3) bad.push(`edge ${found.toFixed(2)} ${node.id || node.textContent}`);
  }
  return {bad, seen};
}
