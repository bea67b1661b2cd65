// The node: calls, and the stream of what happens. Both carry the token, which is kept in this tab only.

import { heardDate } from "./time.js";

const KEY = "archipelago-token";
/** The node sends something at least every 15 s; without it for so long, the connection is dead. */
const SILENCE = 40_000;
/** Longest wait before a new connection. */
const LONGEST_WAIT = 15_000;

/** The node wants another token; `where` is its text, which names the file. */
export class TokenRefused extends Error {
  constructor(where) {
    super("the token is refused");
    this.where = where;
  }
}

/** Takes the token out of `#token=…`, so that it stands in no history. */
export function takeTokenFromAddress() {
  const given = new URLSearchParams(location.hash.slice(1)).get("token");
  if (given === null) return false;
  setToken(given.trim());
  history.replaceState(null, "", location.pathname + location.search);
  return true;
}

export function token() {
  return sessionStorage.getItem(KEY) ?? "";
}

export function setToken(value) {
  if (value === "") sessionStorage.removeItem(KEY);
  else sessionStorage.setItem(KEY, value);
}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  // What a header cannot carry is no token; the node says so.
  if (/^[\x21-\x7e]+$/.test(token())) headers.Authorization = `Bearer ${token()}`;
  const answer = await fetch(path, { ...options, headers, cache: "no-store" });
  heardDate(answer.headers.get("date"));
  if (answer.status === 401) throw new TokenRefused(await answer.text());
  if (!answer.ok) throw new Error((await answer.text()).trim() || `HTTP ${answer.status}`);
  return answer;
}

/** Calls a method; throws an `Error` with the node's message, and its `code` and `data`. */
export async function call(method, params = {}) {
  const answer = await ask("/rpc/v1", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ jsonrpc: "2.0", id: 1, method, params }),
  });
  const { result, error } = await answer.json();
  if (error) throw Object.assign(new Error(error.message), { code: error.code, data: error.data });
  return result;
}

/** Reads server-sent events; `onEvent` gets name and data of each, `onSign` each sign of life. */
async function read(body, onSign, onEvent) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    onSign();
    rest += value;
    const blocks = rest.split(/\r?\n\r?\n/);
    rest = blocks.pop();
    for (const block of blocks) {
      let name = "message";
      const data = [];
      for (const line of block.split(/\r?\n/)) {
        const [, field, content] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (field === "event") name = content;
        if (field === "data") data.push(content);
      }
      if (data.length > 0) onEvent(name, JSON.parse(data.join("\n")));
    }
  }
}

/**
 * Follows what happens, for ever: connects, and after an end waits a little longer each time, and connects again.
 * `onOpen()`, `onEvent(name, data)`, `onLost(why, nextTry)`, `onRefused(where)`; the last one ends it. Returns a function
 * that ends it.
 */
export function follow({ onOpen, onEvent, onLost, onRefused }) {
  let isOver = false;
  let failures = 0;
  let connection = null;
  let wake = () => {};
  const again = () => wake();
  window.addEventListener("online", again);
  document.addEventListener("visibilitychange", again);

  const end = () => {
    isOver = true;
    connection?.abort();
    wake();
    window.removeEventListener("online", again);
    document.removeEventListener("visibilitychange", again);
  };

  const once = async () => {
    connection = new AbortController();
    let silence;
    const sign = () => {
      clearTimeout(silence);
      silence = setTimeout(() => connection.abort(new Error("the node has gone silent")), SILENCE);
    };
    sign();
    try {
      const answer = await ask("/events", { signal: connection.signal });
      failures = 0;
      onOpen();
      await read(answer.body, sign, onEvent);
      throw new Error("the node ended the connection");
    } finally {
      clearTimeout(silence);
    }
  };

  const run = async () => {
    while (!isOver) {
      try {
        await once();
      } catch (error) {
        if (isOver) return;
        if (error instanceof TokenRefused) {
          end();
          onRefused(error.where);
          return;
        }
        const wait = Math.min(LONGEST_WAIT, 500 * 2 ** failures) * (0.75 + Math.random() / 2);
        failures += 1;
        onLost(error.message, Date.now() + wait);
        await new Promise((done) => {
          wake = done;
          setTimeout(done, wait);
        });
      }
    }
  };
  run();
  return end;
}
