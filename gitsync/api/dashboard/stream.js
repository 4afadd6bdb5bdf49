// Server-sent events over fetch: unlike EventSource it sees the heartbeats, so a connection that has silently died is
// noticed; and it tells why it was refused.

const SILENT = 40_000; // the process says something every 15 s
const FIRST_PAUSE = 400;
const LONGEST_PAUSE = 5_000;

/** Keep one stream of events open for as long as the page lives. */
export class Stream {
  /**
   * `event({id, name, data})` for each event; `live()` when connected; `lost(why, pause)` when not, with the
   * milliseconds until the next try.
   */
  constructor(path, { event, live, lost }) {
    this.path = path;
    this.told = { event, live, lost };
    this.last = "";
    this.pause = FIRST_PAUSE;
    this.resting = false;
    this.hurry = () => {};
    this.abort = () => {};
  }

  /** Connect, and connect again, for ever. */
  async run() {
    for (;;) {
      let why = "the process closed the connection";
      try {
        await this.once();
      } catch (error) {
        why = error instanceof Error && error.status ? error.message : "the process does not answer";
      }
      const pause = this.pause * (0.75 + Math.random() / 2);
      this.pause = Math.min(this.pause * 2, LONGEST_PAUSE);
      this.told.lost(this.resting ? "the page was out of sight" : why, pause);
      await new Promise((wake) => {
        this.hurry = wake;
        if (!this.resting) setTimeout(wake, pause);
      });
    }
  }

  /** Try now instead of waiting: the network is back, or a person looks at the page again. */
  now() {
    this.resting = false;
    this.pause = FIRST_PAUSE;
    this.hurry();
  }

  /** Let go until `now`: a browser has six connections to a place, and pages that nobody looks at must not take them. */
  rest() {
    this.resting = true;
    this.abort();
  }

  /** Give the present connection up: something else showed that it is dead. */
  drop() {
    this.abort();
  }

  async once() {
    const stop = new AbortController();
    this.abort = () => stop.abort();
    let watch = setTimeout(this.abort, SILENT);
    try {
      const headers = { Accept: "text/event-stream" };
      if (this.last) headers["Last-Event-ID"] = this.last;
      const answer = await fetch(this.path, { headers, cache: "no-store", credentials: "same-origin", signal: stop.signal });
      if (!answer.ok || answer.body === null) {
        const error = new Error(`the process refuses events with status ${answer.status}`);
        error.status = answer.status;
        throw error;
      }
      this.pause = FIRST_PAUSE;
      this.told.live();
      const parse = parser((event) => {
        if (event.id !== null) this.last = event.id;
        this.told.event(event);
      });
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        clearTimeout(watch);
        watch = setTimeout(this.abort, SILENT);
        parse(value);
      }
    } finally {
      clearTimeout(watch);
    }
  }
}

/** Return a function that takes pieces of a stream and gives each whole event on. */
export function parser(give) {
  let rest = "";
  let data = [];
  let name = "";
  let id = null;
  return (piece) => {
    rest += piece;
    // A \r at the end may be half of a \r\n: it waits for what follows.
    const end = rest.endsWith("\r") ? rest.length - 1 : rest.length;
    const lines = rest.slice(0, end).split(/\r\n|\n|\r/);
    rest = lines.pop() + rest.slice(end);
    for (const line of lines) {
      if (line === "") {
        if (data.length || name) give({ id, name: name || "message", data: data.join("\n") });
        [data, name, id] = [[], "", null];
        continue;
      }
      const colon = line.indexOf(":");
      const field = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (field === "data") data.push(value);
      else if (field === "event") name = value;
      else if (field === "id" && !value.includes("\u0000")) id = value;
    }
  };
}
