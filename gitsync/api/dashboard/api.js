// Requests to the process that served this page, and to nobody else.

/** A request that did not succeed; `status` is 0 where there was no answer at all. */
export class Failure extends Error {
  constructor(status, error) {
    super(String(error?.message || (status ? `the process answered with ${status}` : "the process does not answer")));
    this.status = status;
    this.why = error?.why ? String(error.why) : "";
    this.remedy = error?.remedy ? String(error.remedy) : "";
    if (!this.remedy && Array.isArray(error?.near) && error.near.length) this.remedy = `did you mean ${error.near.join(", ")}?`;
  }

  /** All that is known of it, in one line. */
  get told() {
    return [this.message, this.why, this.remedy].filter(Boolean).join(" · ");
  }
}

const QUICK = 8_000;
const SLOW = 90_000;

/** Ask; return the decoded answer. Raises `Failure`. */
export async function call(method, path, body, headers = {}) {
  const given = { Accept: "application/json", ...headers };
  const init = { method, headers: given, cache: "no-store", credentials: "same-origin", redirect: "error" };
  if (body !== undefined) {
    given["Content-Type"] = "application/json";
    init.body = JSON.stringify(body);
  }
  let answer;
  let value = null;
  try {
    answer = await fetch(path, { ...init, signal: AbortSignal.timeout(method === "GET" ? QUICK : SLOW) });
    const text = await answer.text();
    value = text ? JSON.parse(text) : null;
  } catch {
    if (answer === undefined || answer.ok) throw new Failure(0, null);
  }
  if (answer.ok) return value;
  throw new Failure(answer.status, value?.error);
}

export const get = (path) => call("GET", path);
export const post = (path, body = {}) => call("POST", path, body);

/** Write a path; names of others are one segment of it, whatever is in them. */
export function path(strings, ...names) {
  return String.raw({ raw: strings.raw }, ...names.map((name) => encodeURIComponent(String(name).toWellFormed())));
}

/** Return the rows of an answer that is a list, or an object that holds one. */
export function rowsOf(value, name) {
  const found = Array.isArray(value) ? value : value?.[name];
  return Array.isArray(found) ? found.filter((row) => row !== null && row !== undefined) : [];
}

/** Log in with what `gitsync dashboard` put behind the # of the address, or with the token itself. */
export const logInByCode = (code) => post("/session", { code });
export const logInByToken = (token) => call("POST", "/session", {}, { Authorization: `Bearer ${token}` });
export const logOut = () => call("DELETE", "/session");
