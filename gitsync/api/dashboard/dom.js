// The only door to the document. Whatever others wrote enters it as text: nothing here parses markup.

// C0 but \t and \n, DEL, C1, bidirectional controls, line and paragraph separators: made visible, as on a terminal,
// so that no text can reorder or hide what stands beside it.
const UNSAFE = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/g;

/** Return a value as text that is safe to look at; null and undefined are empty. */
export function plain(value) {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" ? value : typeof value === "object" ? JSON.stringify(value) : String(value);
  return text.replace(UNSAFE, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Return the element of index.html with this id. */
export function at(id) {
  const node = document.getElementById(id);
  if (node === null) throw new Error(`no element ${id}`);
  return node;
}

/** Put text into a node, if it is not there yet: selections and screen readers notice every change. */
export function say(node, value) {
  const text = plain(value);
  if (node.textContent !== text) node.textContent = text;
  return node;
}

/** Set or remove an attribute, if it changes. Names are ours; values may come from anywhere. */
export function mark(node, name, value) {
  if (value === null || value === undefined || value === false) {
    if (node.hasAttribute(name)) node.removeAttribute(name);
  } else {
    const text = value === true ? "" : plain(value);
    if (node.getAttribute(name) !== text) node.setAttribute(name, text);
  }
  return node;
}

/** Make an element: its class, then children, each a node or text. */
export function el(tag, kind = "", ...children) {
  const node = document.createElement(tag);
  if (kind) node.className = kind;
  for (const child of children) node.append(child instanceof Node ? child : plain(child));
  return node;
}

/** Make a button; `name` is what a screen reader says where the word alone is not enough. */
export function button(word, act, name = "") {
  const node = el("button", "", word);
  node.type = "button";
  if (name) mark(node, "aria-label", name);
  node.addEventListener("click", act);
  return node;
}

/** Make text that keeps its direction to itself. */
export function own(text, kind = "") {
  return say(el("bdi", kind), text);
}

const rows = new WeakMap();

/**
 * Show items as children of a node, one row for each key. Rows stay the same nodes while they are updated, so that the
 * focus and the selection of a person survive.
 *
 * `make(item)` returns {node, fill(item)}.
 */
export function list(parent, items, key, make) {
  const former = rows.get(parent) ?? new Map();
  const now = new Map();
  for (const item of items) {
    let name = String(key(item));
    while (now.has(name)) name += "\u0000";
    const row = former.get(name) ?? make(item);
    row.fill(item);
    now.set(name, row);
  }
  const focused = document.activeElement;
  for (const [name, row] of former) if (!now.has(name)) row.node.remove();
  let next = parent.firstElementChild;
  for (const row of now.values()) {
    if (row.node === next) next = next.nextElementSibling;
    else parent.insertBefore(row.node, next);
  }
  rows.set(parent, now);
  if (focused !== document.activeElement && focused?.isConnected) focused.focus({ preventScroll: true });
}

/** Show a node, or not. */
export function show(node, whether) {
  if (node.hidden === whether) node.hidden = !whether;
}
