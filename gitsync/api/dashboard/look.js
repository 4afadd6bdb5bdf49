// The two looks: the system's choice until a person makes one, which the browser keeps. theme.js applies it at the start.

import { mark, say } from "./dom.js";

const DARK = matchMedia("(prefers-color-scheme: dark)");

function now() {
  return document.documentElement.dataset.theme ?? (DARK.matches ? "dark" : "light");
}

function other() {
  return now() === "dark" ? "light" : "dark";
}

/** Make a button turn the look; it says which one it leads to. */
export function lookButton(node) {
  const name = () => mark(say(node, other()), "aria-label", `${other()} colours`);
  node.addEventListener("click", () => {
    const chosen = other();
    document.documentElement.dataset.theme = chosen;
    try {
      localStorage.setItem("gitsync-theme", chosen);
    } catch {
      // Without storage it holds until the page is closed.
    }
    name();
  });
  DARK.addEventListener("change", name);
  name();
}
