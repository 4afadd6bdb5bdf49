// The feed: the latest events, newest first. It can be stopped, because what moves cannot be read by everybody.

import { at, list, mark, say, show } from "./dom.js";

const KEPT = 200;
const TOGETHER = 50; // ms in which events are put into the page together

/** Wire the feed; `make(event)` makes a line. Return the function that is told of each event. */
export function feed(make) {
  let events = [];
  let paused = false;
  let loud = false;
  let due = 0;

  function paint() {
    due = 0;
    say(at("feed-count"), paused ? "paused" : "");
    if (paused) return;
    const shown = loud ? events.filter((one) => one.level === "error" || one.level === "warning") : events;
    list(at("events"), shown, (one) => one.id, make);
    show(at("feed-none"), shown.length === 0);
  }

  at("pause").addEventListener("click", () => {
    paused = !paused;
    mark(at("pause"), "aria-pressed", String(paused));
    paint();
  });
  at("loud").addEventListener("click", () => {
    loud = !loud;
    mark(at("loud"), "aria-pressed", String(loud));
    paint();
  });
  // One stop for Tab, however long it is; the arrows move inside it.
  at("events").addEventListener("keydown", (press) => {
    const places = [...at("events").querySelectorAll("button")];
    const here = places.indexOf(document.activeElement);
    const next = { ArrowDown: here + 1, ArrowUp: here - 1, Home: 0, End: places.length - 1 }[press.key];
    if (next === undefined || places.length === 0) return;
    press.preventDefault();
    (next < 0 ? at("events") : places[Math.min(next, places.length - 1)]).focus();
  });

  return (event) => {
    events = [event, ...events.slice(0, KEPT - 1)];
    if (!due) due = setTimeout(paint, TOGETHER);
  };
}
