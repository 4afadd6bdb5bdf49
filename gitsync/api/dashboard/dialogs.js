// What opens above the page: log in, write, a thread, a task. The browser makes the rest of the page unreachable while
// one is open and gives the focus back afterwards; Tab is kept inside here.

import { get, logInByToken, path, post, rowsOf } from "./api.js";
import { at, button, el, list, mark, own, plain, say, show } from "./dom.js";
import { date, line, span, standing, tone } from "./words.js";

const INSIDE = "a[href], button:not([disabled]), input:not([disabled]), select, textarea, [tabindex='0']";

/** Open a dialog and put the focus where work begins. */
function open(dialog, first) {
  if (!dialog.open) dialog.showModal();
  first?.focus();
}

/** Keep Tab inside a dialog, let its close buttons close it. */
function keep(dialog) {
  dialog.addEventListener("keydown", (press) => {
    if (press.key !== "Tab") return;
    const inside = [...dialog.querySelectorAll(INSIDE)].filter((one) => one.offsetParent !== null);
    const [first, last] = [inside[0], inside[inside.length - 1]];
    if (press.shiftKey ? document.activeElement === first : document.activeElement === last) {
      press.preventDefault();
      (press.shiftKey ? last : first)?.focus();
    }
  });
  for (const one of dialog.querySelectorAll("[data-close]")) one.addEventListener("click", () => dialog.close());
}

/** Send a form by our own request; it stays open, with the reason, when that fails. */
function form(id, error, act) {
  const node = at(id);
  node.addEventListener("submit", async (submitted) => {
    submitted.preventDefault();
    const send = node.querySelector("[type=submit]");
    if (send.disabled) return;
    send.disabled = true;
    say(at(error), "");
    try {
      await act();
    } catch (failure) {
      say(at(error), failure.told ?? failure.message);
    } finally {
      send.disabled = false;
    }
  });
  // What one expects of a box for text: Ctrl+Enter sends.
  node.addEventListener("keydown", (press) => {
    if (press.key === "Enter" && (press.ctrlKey || press.metaKey)) node.requestSubmit();
  });
}

/** Wire the dialogs; `page` has machine(), said(text), entered(), refresh() and may(act). Return how to open each. */
export function dialogs(page) {
  for (const dialog of document.querySelectorAll("dialog")) keep(dialog);

  form("login-form", "login-error", async () => {
    const token = at("token").value.trim();
    try {
      // A header can hold Latin-1 only, and no token has anything beyond ASCII.
      if (!/^[\x21-\x7e]+$/.test(token)) throw Object.assign(new Error(), { status: 401 });
      await logInByToken(token);
    } catch (failure) {
      throw failure.status === 401 || failure.status === 403 ? new Error("that is not the token of this computer") : failure;
    }
    at("token").value = "";
    at("login").close();
    page.entered("logged in");
  });

  form("compose-form", "compose-error", async () => {
    const sent = await page.acting(() =>
      post("/send", {
        from: "",
        to: at("to").value.trim(),
        subject: at("subject").value.trim(),
        message: at("text").value,
        priority: at("priority").value,
        type: at("type").value.trim(),
      }),
    );
    for (const id of ["text", "subject", "type"]) at(id).value = "";
    at("priority").value = "normal";
    at("compose").close();
    page.said(`message ${plain(sent?.id)} is on its way`);
  });

  form("submit-form", "submit-error", async () => {
    const taken = await page.acting(() =>
      post("/task", { type: at("task-type").value.trim(), content: at("task-content").value, priority: at("task-priority").value }),
    );
    at("task-content").value = "";
    at("submit").close();
    page.said(`task ${plain(taken?.task_id)}: ${plain(taken?.status)}${taken?.assigned_to ? `, ${plain(taken.assigned_to)}` : ""}`);
  });

  const thread = conversation(page);
  const task = work(page);
  return {
    login(why = "") {
      say(at("login-error"), why);
      open(at("login"), at("token"));
    },
    compose(to) {
      at("to").value = to;
      open(at("compose"), to ? at("subject") : at("to"));
    },
    submit() {
      open(at("submit"), at("task-type"));
    },
    thread,
    task,
  };
}

// -- a thread ---------------------------------------------------------------------------------------

const OPEN = new Set(["new", "waiting", "taken", "held", "uncertain"]);

function conversation(page) {
  const dialog = at("thread");
  let ident = null; // a message of the thread that is open
  let target = null; // the message that the answer goes to

  const aim = (message) => {
    target = message;
    say(at("reply-label"), message ? `Your answer to ${plain(message.from)}: ${line(plain(message.subject), 80)}` : "Your answer");
  };

  const read = async () => {
    const asked = ident;
    const messages = rowsOf(await get(path`/threads/${asked}`), "messages");
    if (asked !== ident) return;
    say(at("thread-title"), line(messages[0]?.subject ?? "Thread", 120));
    const answer = (message) => {
      aim(message);
      at("reply").focus();
    };
    list(at("said-there"), messages, (one) => one.id, () => letter(page, answer));
    if (target === null) aim(messages.findLast((one) => plain(one.from).split("/")[0] !== page.machine()) ?? messages.at(-1) ?? null);
  };

  form("reply-form", "reply-error", async () => {
    if (target === null) throw new Error("there is no message to answer");
    const text = at("reply").value;
    await page.acting(() => post(path`/messages/${target.id}/reply`, { message: text }));
    at("reply").value = "";
    page.said("your answer is on its way");
    await read();
    at("said-there").scrollTop = at("said-there").scrollHeight;
  });
  dialog.addEventListener("close", () => {
    ident = null;
  });

  return {
    async open(message) {
      if (ident !== message) {
        ident = message;
        aim(null);
        say(at("reply-error"), "");
      }
      await read();
      open(dialog, at("said-there"));
      at("said-there").scrollTop = at("said-there").scrollHeight;
    },
    /** Read again, if one is open. */
    async refresh() {
      if (ident !== null && dialog.open) await read();
    },
  };
}

function letter(page, answer) {
  const who = own("", "name");
  const about = el("p", "small dim");
  const state = el("span", "state");
  const sender = el("span", "tag");
  const body = own("", "body");
  const receipts = el("ul", "small dim receipts");
  let shown = {};
  const reply = button("answer", () => answer(shown));
  const done = button("mark as done", () =>
    page.act("marked as done", () => post(path`/messages/${shown.id}/ack`, { outcome: "done", reason: "" })),
  );
  const node = el("article", "letter", el("div", "head", who, sender, state, el("span", "buttons", reply, done)), about, body, receipts);
  return {
    node,
    fill(message) {
      shown = message;
      say(who, `${plain(message.from)} → ${(message.to ?? []).map(plain).join(", ")}`);
      say(state, message.state);
      mark(state, "data-tone", tone(message.state));
      const [word, colour] = standing(message);
      say(sender, word);
      show(sender, word !== "");
      mark(sender, "data-tone", colour);
      say(about, [message.subject, date(message.date), message.priority, message.type, message.id].filter(Boolean).map(plain).join(" · "));
      say(body, message.body);
      list(receipts, message.receipts ?? [], (one) => JSON.stringify([one.date, one.machine, one.agent, one.outcome]), receipt);
      show(done, OPEN.has(message.state));
      mark(reply, "aria-label", `answer ${plain(message.from)}: ${line(plain(message.subject), 60)}`);
      mark(done, "aria-label", `mark as done: ${line(plain(message.subject), 60)}`);
    },
  };
}

function receipt() {
  const node = own("");
  const row = el("li", "", node);
  return {
    node: row,
    fill(one) {
      const by = one.agent ? `${plain(one.machine)}/${plain(one.agent)}` : plain(one.machine);
      const took = typeof one.seconds === "number" ? ` in ${span(one.seconds)}` : "";
      const doubt = one.counts === false ? " (does not count)" : "";
      say(node, `${plain(one.outcome)} by ${by}${doubt}${took}${one.reason ? `: ${plain(one.reason)}` : ""} · ${date(one.date)}`);
    },
  };
}

// -- a task -----------------------------------------------------------------------------------------

function work(page) {
  const dialog = at("task");
  const facts = el("ul", "small facts-list");
  const content = own("", "body");
  const result = own("", "body");
  const history = el("ol", "small receipts");
  const title = (text) => el("h3", "", text);
  const resultTitle = title("Result");
  at("task-facts").append(facts, title("What is to be done"), content, resultTitle, result, title("History"), history);
  let ident = null;

  const text = () => {
    const node = own("");
    const row = el("li", "", node);
    return { node: row, fill: (value) => say(node, value) };
  };

  const read = async () => {
    const asked = ident;
    const found = await get(path`/tasks/${asked}`);
    if (asked !== ident) return;
    say(at("task-title"), `${plain(found.type)}: ${plain(found.status)}`);
    const told = [
      ["id", found.task_id], ["priority", found.priority], ["with", found.assigned_to], ["on computer", found.machine],
      ["because", found.reason], ["attempts", found.attempts], ["deadline", found.deadline && date(found.deadline)], ["error", found.error],
    ];
    list(facts, told.filter(([, value]) => value || value === 0).map(([name, value]) => `${name}: ${plain(value)}`), String, text);
    say(content, found.content);
    say(result, found.result);
    show(resultTitle, Boolean(found.result));
    const steps = (found.history ?? []).map((one) =>
      [date(one.at), one.status, one.agent && `by ${plain(one.agent)}`, one.note].filter(Boolean).map(plain).join(" · "),
    );
    list(history, steps, String, text);
  };
  dialog.addEventListener("close", () => {
    ident = null;
  });

  return {
    async open(task) {
      ident = task;
      await read();
      open(dialog, at("task-facts"));
    },
    async refresh() {
      if (ident !== null && dialog.open) await read();
    },
  };
}
