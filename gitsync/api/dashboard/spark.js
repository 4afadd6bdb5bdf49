// A line of response times as inline SVG.

import { mark } from "./dom.js";
import { ms } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 24;
const MOST = 60;

/** Make an empty sparkline; `draw(history)` shows milliseconds, null where a check failed. */
export function sparkline() {
  const node = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  const last = document.createElementNS(SVG, "circle");
  mark(node, "viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
  mark(node, "class", "spark");
  mark(node, "role", "img");
  mark(last, "r", "2");
  node.append(path, last);
  return { node, draw: (history) => draw(node, path, last, Array.isArray(history) ? history.slice(-MOST) : []) };
}

function draw(node, path, last, history) {
  const known = history.filter((value) => typeof value === "number" && Number.isFinite(value));
  const highest = Math.max(...known, 1);
  const step = WIDTH / (MOST - 1);
  const first = MOST - history.length;
  let commands = "";
  let pen = "M";
  let end = null;
  history.forEach((value, index) => {
    if (typeof value !== "number" || !Number.isFinite(value)) {
      pen = "M"; // a failed check is a gap
      return;
    }
    end = [((first + index) * step).toFixed(1), (HEIGHT - 2 - (value / highest) * (HEIGHT - 4)).toFixed(1)];
    commands += `${pen}${end[0]} ${end[1]}h0`; // h0 makes a lonely point visible
    pen = "L";
  });
  mark(path, "d", commands || null);
  mark(last, "visibility", end ? null : "hidden");
  if (end) {
    mark(last, "cx", end[0]);
    mark(last, "cy", end[1]);
  }
  mark(
    node,
    "aria-label",
    known.length ? `response times of the last ${history.length} checks: ${ms(Math.min(...known))} to ${ms(highest)}` : "no response times yet",
  );
}
