"use strict";
// Runs before the first paint, so that the page does not flash in the other theme. Everything else is in app.js.
(() => {
  let kept = null;
  try {
    kept = localStorage.getItem("gitsync-theme");
  } catch {
    // A browser may forbid storage; the system's preference decides then.
  }
  if (kept === "dark" || kept === "light") document.documentElement.dataset.theme = kept;
})();
