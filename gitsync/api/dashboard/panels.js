// The rows of each part of the page. They show facts and call `acts`; they ask the process nothing themselves.

import { button, el, list, mark, own, plain, say, show } from "./dom.js";
import { sparkline } from "./spark.js";
import { ago, count, line, LEVELS, moment, ms, span, standing, time, tone } from "./words.js";

/** Make a word that wears the colour of a state. */
function stateOf() {
  const node = el("span", "state");
  return {
    node,
    fill(state) {
      say(node, state || "unknown");
      mark(node, "data-tone", tone(state));
    },
  };
}

/** Make "name value" pairs that show only those that have a value. */
function facts() {
  const node = el("div", "small dim");
  return {
    node,
    fill(pairs) {
      list(
        node,
        pairs.filter(([, value]) => value !== null && value !== undefined && value !== ""),
        ([name]) => name,
        () => {
          const one = el("span", "fact");
          return { node: one, fill: ([name, value]) => say(one, name ? `${name} ${plain(value)}` : value) };
        },
      );
    },
  };
}

/** Update an element whose text ages: the clock of the page does it again every second. */
function aging(node, value) {
  mark(node, "data-since", moment(value));
  say(node, ago(value));
}

/** Make the texts that age say so. */
export function grow() {
  for (const node of document.querySelectorAll("[data-since]")) say(node, ago(Number(node.getAttribute("data-since")) / 1000));
}

// -- fleet ------------------------------------------------------------------------------------------

/** Make the row of a computer. */
export function computer(acts) {
  return () => {
    const name = own("", "name");
    const here = el("span", "tag", "this computer");
    const state = stateOf();
    const seen = el("span");
    const lag = el("span", "lag");
    const role = own("", "dim");
    const agents = el("ul", "chips");
    const blockers = el("ul", "complaints");
    let shown = {};
    const contact = button("contact", () => acts.compose(shown.id));
    const node = el(
      "li", "row",
      el("div", "head", name, here, state.node, el("span", "buttons", contact)),
      el("div", "small", el("span", "fact", "last seen ", seen), lag, role),
      agents, blockers,
    );
    return {
      node,
      fill(row) {
        shown = row;
        say(name, row.name ? `${row.id} · ${plain(row.name)}` : row.id);
        show(here, row.own);
        show(contact, !row.own);
        mark(contact, "aria-label", `contact computer ${plain(row.id)}`);
        state.fill(row.state);
        aging(seen, row.last_seen);
        const late = typeof row.lag_s === "number" && row.lag_s > 0;
        say(lag, row.lag_s === null ? "never seen" : late ? `lag ${span(row.lag_s)}` : "no lag");
        mark(lag, "data-tone", late && row.lag_s > 600 ? "bad" : late ? "soso" : null);
        say(role, row.role);
        list(agents, row.own ? [] : row.agents, (one) => one.agent ?? one.name, () => chip(acts, row.id));
        list(blockers, row.own ? [] : row.blockers, plain, complaint);
      },
    };
  };
}

function chip(acts, machine) {
  const state = stateOf();
  let address = "";
  const write = button("", () => acts.compose(address));
  const node = el("li", "chip", write, state.node);
  return {
    node,
    fill(row) {
      const name = plain(row.agent ?? row.name);
      address = `${machine}/${row.agent ?? row.name}`;
      say(write, name);
      mark(write, "aria-label", `contact ${plain(address)}`);
      state.fill(row.state ?? row.status);
    },
  };
}

function complaint() {
  const node = el("li", "complaint");
  return { node, fill: (text) => say(node, text) };
}

// -- agents -----------------------------------------------------------------------------------------

const VERBS = { start: "start", stop: "stop", restart: "restart", drain: "drain", resume: "resume" };

/** Make the row of an agent of this computer. */
export function instance(acts) {
  return () => {
    const name = own("", "name");
    const state = stateOf();
    const word = own("", "word");
    const spark = sparkline();
    const times = el("span", "small");
    const health = el("div", "times", spark.node, times);
    const load = facts();
    const more = facts();
    const current = el("ul", "complaints");
    let shown = {};
    const verbs = Object.keys(VERBS).map((verb) => [verb, button(VERBS[verb], () => acts.instance(shown.name, verb))]);
    const contact = button("contact", () => acts.compose(`self/${shown.name}`));
    const node = el(
      "li", "row",
      el("div", "head", name, state.node, el("span", "buttons", ...verbs.map(([, one]) => one), contact)),
      word,
      health, load.node, more.node, current,
    );
    return {
      node,
      fill(row) {
        shown = row;
        say(name, row.name);
        state.fill(row.state);
        say(word, row.word);
        show(word, Boolean(row.word));
        const response = row.response_ms ?? {};
        spark.draw(response.history);
        show(health, (response.history ?? []).length > 0);
        say(times, `last ${ms(response.last)} · p50 ${ms(response.p50)} · p95 ${ms(response.p95)}`);
        load.fill([
          ["queue", row.queue ?? 0],
          ["running", `${row.running ?? 0}/${row.concurrency ?? 1}`],
          ["weight", row.weight === 1 ? null : row.weight],
          ["breaker", row.breaker === "closed" ? null : row.breaker],
          ["", row.backup ? "backup" : null],
          ["", row.draining ? "draining: takes nothing new" : null],
          ["takes", (row.types ?? []).length ? row.types.map(plain).join(", ") : "all types"],
        ]);
        more.fill([
          ["", row.kind],
          ["pid", row.pid],
          ["port", row.port],
          ["restarts", row.restarts || null],
          ["", row.specialty],
        ]);
        list(current, row.current ?? [], (one) => one.id, () => working(acts));
        const up = !["offline", "crashed", "stopped"].includes(row.state);
        for (const [verb, one] of verbs) {
          const fits = { start: row.managed && !up, stop: row.managed && up, restart: row.managed && up, drain: !row.draining, resume: row.draining };
          show(one, Boolean(fits[verb]));
          mark(one, "aria-label", `${verb} ${plain(row.name)}`);
        }
        mark(contact, "aria-label", `contact ${plain(row.name)}`);
      },
    };
  };
}

function working(acts) {
  let shown = {};
  const subject = button("", () => acts.thread(shown.id));
  const since = el("span");
  subject.className = "link";
  const node = el("li", "small", "works on ", subject, ", begun ", since);
  return {
    node,
    fill(row) {
      shown = row;
      say(subject, line(row.subject, 80) || row.id);
      aging(since, row.since);
    },
  };
}

// -- what waits for a person ------------------------------------------------------------------------

/** Make the row of a hand-over that a person must decide. */
export function approval(acts) {
  return () => {
    const state = stateOf();
    const text = own("");
    const why = own("", "dim");
    let shown = {};
    const read = button("", () => acts.thread(shown.id));
    read.className = "link";
    const again = button("allow", () => acts.release(shown));
    const done = button("it is done", () => acts.ack(shown, "done"));
    const refuse = button("refuse", () => acts.ack(shown, "refused"));
    const node = el("li", "row", el("div", "head", state.node, read, el("span", "buttons", again, done, refuse)), text, " ", why);
    return {
      node,
      fill(row) {
        shown = row;
        state.fill(row.state);
        say(read, line(row.subject, 80) || row.id);
        say(text, `for ${plain(row.agent || "the inbox")}${row.from ? ` from ${plain(row.from)}` : ""}`);
        say(why, row.reason);
        say(again, row.state === "uncertain" ? "run again" : "allow");
        for (const [one, word] of [[again, again.textContent], [done, "done"], [refuse, "refuse"]]) {
          mark(one, "aria-label", `${word}: ${plain(row.subject || row.id)}`);
        }
      },
    };
  };
}

/** Make the row of a blocker. */
export function blocker() {
  const node = el("li", "row complaint");
  return { node, fill: (row) => say(node, typeof row === "string" ? row : (row.text ?? row.reason ?? row)) };
}

// -- tasks ------------------------------------------------------------------------------------------

const OVER = new Set(["COMPLETED", "FAILED"]);

/** Make the row of a task. */
export function task(acts) {
  return () => {
    const state = stateOf();
    const content = own("");
    const about = facts();
    const since = el("span");
    const why = own("", "dim");
    let shown = {};
    const open = button("", () => acts.task(shown.task_id));
    open.className = "link";
    const cancel = button("cancel", () => acts.cancel(shown.task_id));
    const node = el(
      "li", "row",
      el("div", "head", state.node, open, el("span", "small dim", since), el("span", "buttons", cancel)),
      content, about.node, why,
    );
    return {
      node,
      fill(row) {
        shown = row;
        state.fill(row.status);
        say(open, row.type);
        mark(open, "aria-label", `task ${plain(row.type)}: what became of it`);
        say(content, line(row.content));
        about.fill([
          ["", row.priority],
          ["with", row.assigned_to],
          ["attempts", row.attempts > 1 ? row.attempts : null],
        ]);
        say(why, line(row.error || (OVER.has(row.status) ? row.result : row.reason), 200));
        aging(since, row.times?.[row.status] ?? row.created);
        show(cancel, !OVER.has(row.status));
        mark(cancel, "aria-label", `cancel task ${plain(row.type)}: ${line(plain(row.content), 60)}`);
      },
    };
  };
}

// -- threads ----------------------------------------------------------------------------------------

/** Put messages together that belong to one conversation, the latest first. */
export function threads(messages) {
  // Dates are to the second; most ids grow with time, and decide within one.
  const age = (one) => `${one.date ?? ""} ${one.id}`;
  const ordered = messages.map((one) => [age(one), one]).sort(([a], [b]) => (a < b ? 1 : a > b ? -1 : 0));
  const found = new Map();
  for (const [, message] of ordered) {
    const thread = String(message.thread ?? message.id);
    const one = found.get(thread);
    if (one === undefined) found.set(thread, { thread, last: message, first: message, count: 1 });
    else {
      one.first = message;
      one.count += 1;
    }
  }
  return [...found.values()];
}

/** Make the row of a thread. */
export function thread(acts) {
  return () => {
    const state = stateOf();
    const since = el("span");
    const about = el("span", "small dim");
    const priority = el("span", "state");
    const sender = el("span", "tag");
    let shown = null;
    const open = button("", () => acts.thread(shown.last.id));
    open.className = "link";
    const node = el("li", "row", el("div", "head", state.node, priority, open, sender), about, " ", el("span", "small dim", since));
    return {
      node,
      fill(row) {
        shown = row;
        const last = row.last;
        state.fill(last.state);
        say(priority, last.priority);
        show(priority, last.priority === "urgent" || last.priority === "high");
        mark(priority, "data-tone", last.priority === "urgent" ? "bad" : "soso");
        const [word, colour] = standing(last);
        say(sender, word);
        show(sender, word !== "");
        mark(sender, "data-tone", colour);
        say(open, line(row.first.subject, 100) || "(no subject)");
        say(about, `${plain(last.from)} → ${(last.to ?? []).map(plain).join(", ")} · ${count(row.count, "message")} ·`);
        aging(since, last.date);
      },
    };
  };
}

// -- feed -------------------------------------------------------------------------------------------

const isId = (value) => typeof value === "string" && value !== "";

/** Make the line of an event. */
export function event(acts) {
  return (row) => {
    const level = Object.hasOwn(LEVELS, row.level) ? row.level : "info";
    const node = el("li", "event", el("time", "dim", time(row.at)), " ", el("span", "level", LEVELS[level]), " ");
    mark(node, "data-level", level);
    node.append(el("span", "kind", row.kind), " ");
    const message = row.message_id ?? row.message;
    const look = isId(message) ? () => acts.thread(message) : isId(row.task_id) ? () => acts.task(row.task_id) : null;
    if (look) {
      const open = button(plain(row.text), look);
      open.className = "link";
      open.tabIndex = -1; // the feed is one stop for Tab; the arrows move inside it
      node.append(open);
    } else node.append(own(row.text));
    return { node, fill() {} };
  };
}
