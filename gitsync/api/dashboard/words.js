// Numbers and dates as people say them; the states that exist.

const COMPUTER = new Set(["ACTIVE", "IDLE", "WORKING", "SYNCING", "OFFLINE", "EMERGENCY"]);
const INSTANCE = new Set(["starting", "online", "busy", "degraded", "timeout", "error", "offline", "crashed"]);
const GOOD = new Set(["ACTIVE", "IDLE", "WORKING", "SYNCING", "online", "busy", "ok", "healthy", "COMPLETED", "done", "received", "live"]);
const SOSO = new Set([
  "starting", "degraded", "QUEUED", "ASSIGNED", "IN_PROGRESS", "held", "uncertain", "retry", "waiting", "new", "taken", "started", "claimed",
]);

export const LEVELS = { info: "info", success: "ok", warning: "warn", error: "FAIL" };

/** Return what colour a state has: good, soso, bad, or none for what is not known. */
export function tone(state) {
  if (GOOD.has(state)) return "good";
  if (SOSO.has(state)) return "soso";
  if (state === "offline" || state === "OFFLINE" || state === "unknown" || !state) return "off";
  if (COMPUTER.has(state) || INSTANCE.has(state)) return "bad";
  return ["FAILED", "BLOCKED", "failed", "refused", "dead", "error", "halted", "unhealthy"].includes(state) ? "bad" : "off";
}

const STANDING = {
  verified: ["✓ verified", "good"],
  unsigned: ["unsigned", "off"],
  unknown_key: ["unknown key", "off"],
  altered: ["✖ altered", "bad"],
  revoked: ["✖ revoked key", "bad"],
  forged: ["✖ forged", "bad"],
};

/** Say in words, and by a colour, what is known of who wrote a message; nothing where nothing was said about it. */
export function standing(message) {
  return Object.hasOwn(STANDING, message?.standing) ? STANDING[message.standing] : ["", "off"];
}

/** Write seconds: 850 ms, 3 s, 4 min, 2 h, 5 d. */
export function span(seconds) {
  if (typeof seconds !== "number" || !Number.isFinite(seconds)) return "–";
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** Write milliseconds. */
export function ms(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return "–";
  return value < 1000 ? `${value < 10 ? Math.round(value * 10) / 10 : Math.round(value)} ms` : span(value / 1000);
}

/** Return the millisecond of a date given as ISO text or as seconds since 1970, NaN where it is none. */
export function moment(value) {
  return typeof value === "number" ? value * 1000 : typeof value === "string" ? Date.parse(value) : NaN;
}

/** Write how long ago a date was. */
export function ago(value) {
  const then = moment(value);
  if (Number.isNaN(then)) return "never";
  const seconds = (Date.now() - then) / 1000;
  return seconds < 2 ? "now" : `${span(seconds)} ago`;
}

/** Write the time of day of a date, in this browser's zone. */
export function time(value) {
  const then = moment(value);
  return Number.isNaN(then) ? "" : new Date(then).toLocaleTimeString([], { hour12: false });
}

/** Write a date for reading. */
export function date(value) {
  const then = moment(value);
  return Number.isNaN(then) ? "" : new Date(then).toLocaleString([], { hour12: false });
}

/** Return the first line of a text, cut to a length that a row can hold. */
export function line(text, most = 160) {
  const first = String(text ?? "").trimStart().split("\n", 1)[0];
  return first.length > most ? `${first.slice(0, most)}…` : first;
}

/** Write a count with its word. */
export function count(number, word) {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}
