// The page: what it knows, when it asks again, and what its buttons do.

import { Failure, get, logInByCode, logOut, path, post, rowsOf } from "./api.js";
import { asker } from "./asking.js";
import { dialogs } from "./dialogs.js";
import { at, el, list, mark, plain, say, show } from "./dom.js";
import { feed } from "./feed.js";
import { lookButton } from "./look.js";
import * as panels from "./panels.js";
import { Stream } from "./stream.js";
import { ago, count, moment, span, time, tone } from "./words.js";

const REPLAY = 100; // events of before that a new page shows
const PAGE = 60; // messages in one request
const REST = 60_000; // ms out of sight after which the page lets its connection go
const ROUND = 10_000; // ms between two rounds of asking for what changes without an event

const known = { status: null, instances: [], tasks: [], messages: [], older: [], blockers: [], approvals: [] };
const page = { authenticated: false, live: false, good: Date.now(), why: "", again: 0 };

// -- asking -----------------------------------------------------------------------------------------

const parts = {
  about: async () => about(await get("/")),
  status: async () => status(await get("/status")),
  session: async () => session(await get("/session")),
  instances: async () => instances(rowsOf(await get("/instances"), "instances")),
  tasks: async () => tasks(rowsOf(await get("/tasks?limit=100"), "tasks")),
  messages: async () => messages(rowsOf(await get(`/messages?limit=${PAGE}`), "messages")),
  blockers: async () => waiting(await get("/blockers")),
  thread: () => open.thread.refresh(),
  task: () => open.task.refresh(),
};

const AFTER = {
  message: ["messages", "status", "thread"],
  delivery: ["messages", "instances", "status", "blockers", "thread"],
  task: ["tasks", "instances", "blockers", "task", "messages"],
  instance: ["instances", "status", "blockers"],
  sync: ["status", "about", "messages", "blockers", "thread"],
};

const ask = asker(parts, {
  worked(name) {
    trouble(name, "");
    alive();
  },
  failed(name, error) {
    if (error instanceof Failure && error.status === 0) stream.drop();
    else {
      if (error.status === 401) session({ authenticated: false }); // which says how to log in
      trouble(name, `${name}: ${error.told ?? error.message}`);
    }
  },
});

function askAll() {
  for (const name of Object.keys(parts)) ask(name);
}

const troubles = new Map();

/** Say which part could not be read although the process answers; the rest of the page goes on. */
function trouble(name, text) {
  if (text) troubles.set(name, text);
  else troubles.delete(name);
  say(at("trouble"), [...troubles.values()].join(" | "));
  show(at("trouble"), troubles.size > 0);
}

// -- showing ----------------------------------------------------------------------------------------

function about(given) {
  say(at("about"), `gitsync ${plain(given.version)} · up for ${span(given.uptime_s)} · ${count(given.totals?.cycles ?? 0, "cycle")}`);
  // Not from /health: a browser writes an answer of 503 into its console as an error.
  health(given.state, rowsOf(given.reasons).map(plain).join("; "));
}

function health(word, why) {
  say(at("health"), why ? `${plain(word)}: ${why}` : word);
  mark(at("health"), "data-tone", tone(word));
}

function status(given) {
  known.status = given;
  const machine = given.machine ?? {};
  const sync = given.sync ?? {};
  const name = machine.name ? `${plain(machine.id)} · ${plain(machine.name)}` : plain(machine.id);
  say(at("machine"), `gitsync ${name}`);
  document.title = `gitsync ${name}`;
  say(at("role"), machine.role);
  say(at("sync-state"), sync.error ? `${plain(sync.state)}: ${plain(sync.error)}` : sync.state);
  mark(at("sync-state"), "data-tone", sync.state === "ok" ? "good" : sync.state === "unknown" ? "off" : "bad");
  mark(at("contact"), "data-since", sync.last_contact ? moment(sync.last_contact) : null);
  say(at("contact"), ago(sync.last_contact));
  say(at("pending"), String(sync.pending ?? 0));
  const computers = rowsOf(given.computers).map((one) =>
    // Of itself a machine knows more than its page on the branch says yet.
    one.id === machine.id ? { ...one, own: true, name: machine.name || one.name, role: machine.role || one.role } : { ...one, own: false },
  );
  list(at("computers"), computers, (one) => one.id, panels.computer(acts));
  say(at("fleet-count"), count(computers.length, "computer"));
  show(at("fleet-none"), computers.length === 0);
  choices();
}

function instances(rows) {
  known.instances = rows;
  list(at("instances"), rows, (one) => one.name, panels.instance(acts));
  const up = rows.filter((one) => ["online", "busy", "degraded"].includes(one.state)).length;
  const queued = rows.reduce((sum, one) => sum + (Number(one.queue) || 0), 0);
  say(at("agents-count"), `${up} of ${rows.length} up, ${queued} queued`);
  show(at("agents-none"), rows.length === 0);
  choices();
}

function waiting(given) {
  const blockers = rowsOf(given?.blockers);
  const approvals = rowsOf(given?.approvals).map((one) => ({ ...one, id: one.message_id ?? one.id }));
  list(at("approvals"), approvals, (one) => `${one.id} ${plain(one.agent)}`, panels.approval(acts));
  list(at("blockers"), blockers, (one) => (typeof one === "string" ? one : JSON.stringify(one)), panels.blocker);
  const number = blockers.length + approvals.length;
  say(at("waiting-count"), number ? String(number) : "");
  mark(at("waiting"), "data-some", number > 0);
  show(at("waiting-none"), number === 0);
}

function tasks(rows) {
  known.tasks = rows;
  const over = (one) => one.status === "COMPLETED" || one.status === "FAILED";
  list(at("task-rows"), [...rows.filter((one) => !over(one)), ...rows.filter(over)], (one) => one.task_id, panels.task(acts));
  const number = new Map();
  for (const one of rows) number.set(one.status, (number.get(one.status) ?? 0) + 1);
  say(at("tasks-count"), [...number].map(([state, many]) => `${many} ${plain(state)}`).join(", "));
  show(at("tasks-none"), rows.length === 0);
  choices();
}

function messages(rows) {
  known.messages = rows;
  const ids = new Set(rows.map((one) => one.id));
  known.older = known.older.filter((one) => !ids.has(one.id));
  const all = [...rows, ...known.older];
  const found = panels.threads(all);
  list(at("thread-rows"), found, (one) => one.thread, panels.thread(acts));
  say(at("threads-count"), found.length ? `${found.length} with the latest ${count(all.length, "message")}` : "");
  show(at("threads-none"), found.length === 0);
  if (rows.length === PAGE && known.older.length === 0) show(at("older"), true);
}

async function older() {
  const last = [...known.messages, ...known.older].at(-1);
  if (last === undefined) return;
  const rows = rowsOf(await get(path`/messages?limit=${PAGE}&before=${last.id}`), "messages");
  known.older.push(...rows);
  messages(known.messages);
  show(at("older"), rows.length === PAGE);
}

/** Offer what can be written into the forms. */
function choices() {
  const machines = rowsOf(known.status?.computers);
  const own = known.status?.machine?.id;
  const addresses = [
    ...known.instances.map((one) => `self/${plain(one.name)}`),
    ...machines.filter((one) => one.id !== own).flatMap((one) => [one.id, ...rowsOf(one.agents).map((row) => `${one.id}/${row.agent ?? row.name}`)]),
    "all",
  ];
  options(at("addresses"), addresses);
  options(at("types"), [...known.instances.flatMap((one) => one.types ?? []), ...known.tasks.map((one) => one.type)]);
}

function options(node, values) {
  list(node, [...new Set(values.map(plain))], String, (value) => {
    const one = el("option");
    one.value = value;
    return { node: one, fill() {} };
  });
}

const happened = feed((event) => panels.event(acts)(event));

// -- how fresh it is --------------------------------------------------------------------------------

function alive() {
  page.good = Date.now();
}

/** Show how the page is connected, and since when what it shows is old. */
function link() {
  say(at("link"), page.live ? "live" : "not connected");
  mark(at("link"), "data-tone", page.live ? "good" : "bad");
  mark(document.body, "data-old", !page.live);
  say(at("old-text"), page.live ? "" : `Showing old data since ${time(page.good / 1000)}: ${page.why}.`);
  const left = Math.max(0, Math.ceil((page.again - Date.now()) / 1000));
  say(at("old-more"), page.live ? "" : `That is ${span(Math.max(1, (Date.now() - page.good) / 1000))} ago; trying again${left ? ` in ${left} s` : " now"}.`);
  show(at("old"), !page.live && page.why !== "");
}

const stream = new Stream(`/events?replay=${REPLAY}`, {
  live() {
    page.live = true;
    page.why = "";
    alive();
    link();
    askAll();
  },
  lost(why, pause) {
    page.live = false;
    page.why = why;
    page.again = Date.now() + pause;
    link();
  },
  event({ id, name, data }) {
    alive();
    let event;
    try {
      event = JSON.parse(data);
    } catch {
      return;
    }
    if (name === "reset") {
      // The process is another one, or too much has happened meanwhile: nothing of what was known counts.
      happened({ id: `reset ${id}`, at: new Date().toISOString(), kind: "page", level: "info", text: "reading everything anew" });
      askAll();
      return;
    }
    happened({ ...event, id: event.id ?? id });
    for (const part of AFTER[event.kind] ?? Object.keys(parts)) ask(part);
  },
});

// -- acting -----------------------------------------------------------------------------------------

function session(given) {
  page.authenticated = given?.authenticated === true;
  say(at("session"), page.authenticated ? "log out" : "log in");
  show(at("readonly"), !page.authenticated);
  mark(document.body, "data-readonly", !page.authenticated);
}

let quiet = 0;

/** Tell the outcome of what a person did. */
function said(text, bad = false) {
  const node = at("said");
  // Behind an open dialog nothing is heard or seen.
  const place = document.querySelector("dialog[open]") ?? document.body;
  if (node.parentNode !== place) place.append(node);
  say(node, text);
  mark(node, "data-tone", bad ? "bad" : "good");
  clearTimeout(quiet);
  quiet = setTimeout(() => say(node, ""), bad ? 20_000 : 8_000);
}

const HOW = "Log in first: what you have just asked for changes something.";

/** Run a request that needs a login; offer one where it is missing. */
async function acting(request) {
  if (!page.authenticated) {
    open.login(HOW);
    throw new Error("not sent: log in, then send it again");
  }
  try {
    return await request();
  } catch (error) {
    if (error.status === 401) {
      session({ authenticated: false });
      open.login("The process does not know this login any more. Log in again.");
    }
    throw error;
  }
}

/** Do what a button says, tell how it went. `done` is a text or makes one of the answer. */
async function act(done, request) {
  try {
    const answer = await acting(request);
    said(typeof done === "function" ? done(answer) : done);
    return answer;
  } catch (error) {
    said(error.told ?? error.message, true);
    return undefined;
  } finally {
    if (page.authenticated) for (const part of ["instances", "tasks", "messages", "blockers", "thread", "status"]) ask(part);
  }
}

async function reading(look) {
  try {
    await look();
  } catch (error) {
    said(error.told ?? error.message, true);
  }
}

const open = dialogs({
  machine: () => plain(known.status?.machine?.id),
  said,
  act,
  acting: async (request) => {
    const answer = await acting(request);
    for (const part of ["tasks", "messages", "instances", "status"]) ask(part);
    return answer;
  },
  entered(text) {
    session({ authenticated: true });
    said(text);
    askAll();
  },
});

const acts = {
  thread: (message) => void reading(() => open.thread.open(message)),
  task: (ident) => void reading(() => open.task.open(ident)),
  compose(to) {
    if (page.authenticated) open.compose(to);
    else open.login(HOW);
  },
  instance: (name, verb) =>
    void act((answer) => `${verb} ${plain(name)}: ${plain(answer?.state ?? "asked")}`, () => post(path`/instances/${name}/${verb}`)),
  cancel: (ident) => void act("the task is cancelled", () => post(path`/tasks/${ident}/cancel`)),
  ack: (row, outcome) =>
    void act(`settled as ${outcome}`, () => post(path`/messages/${row.id}/ack`, { outcome, reason: "", ...(row.agent ? { agent: row.agent } : {}) })),
  release: (row) => void act("it will be handed over", () => post(path`/messages/${row.id}/release`, row.agent ? { agent: row.agent } : {})),
};

async function sync() {
  const node = at("sync");
  mark(node, "aria-busy", "true");
  await act((found) => {
    const moved = `${plain(found.received ?? 0)} received, ${plain(found.sent ?? 0)} sent, ${plain(found.pending ?? 0)} waiting`;
    return found.state === "ok" ? `synced: ${moved}` : `sync: ${plain(found.state)} · ${plain(found.error ?? "")} · ${moved}`;
  }, () => post("/sync"));
  mark(node, "aria-busy", null);
  ask("about");
}

/** Log in with the code that `gitsync dashboard` puts behind the #, and take it out of the address at once. */
async function entry() {
  const code = new URLSearchParams(location.hash.slice(1)).get("code");
  if (!code) return;
  history.replaceState(null, "", location.pathname);
  try {
    await logInByCode(code);
    session({ authenticated: true });
    said("logged in");
  } catch (error) {
    open.login(error.status === 0 ? error.message : "That address has been used already or is too old: run gitsync dashboard again.");
  }
}

// -- start ------------------------------------------------------------------------------------------

at("sync").addEventListener("click", () => void sync());
at("write").addEventListener("click", () => acts.compose(""));
at("new-task").addEventListener("click", () => (page.authenticated ? open.submit() : open.login(HOW)));
at("login-here").addEventListener("click", () => open.login());
at("older").addEventListener("click", () => void reading(older));
at("session").addEventListener("click", () => {
  if (!page.authenticated) open.login();
  else void act("logged out", async () => (await logOut(), session({ authenticated: false })));
});
addEventListener("hashchange", () => void entry());
addEventListener("online", () => stream.now());
let unseen = 0;
document.addEventListener("visibilitychange", () => {
  clearTimeout(unseen);
  if (document.visibilityState === "visible") {
    stream.now();
    if (page.live) askAll();
  } else unseen = setTimeout(() => stream.rest(), REST);
});

for (const dialog of document.querySelectorAll("dialog")) dialog.addEventListener("close", () => document.body.append(at("said")));
lookButton(at("theme"));
setInterval(() => {
  panels.grow();
  link();
}, 1000);
setInterval(() => {
  if (page.live && document.visibilityState === "visible") for (const part of ["about", "status", "instances"]) ask(part);
}, ROUND);
await entry();
void stream.run();
