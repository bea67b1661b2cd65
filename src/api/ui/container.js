// One container of a package: its state, what comes next, how it ended before, its log.

import { badge, button, make, setText, setWords, show, sync } from "./dom.js";
import { due, full, keep, now, passed, span } from "./time.js";

/** What the timeline may span: name, and milliseconds. */
const SPANS = [
  ["1 hour", 3_600_000],
  ["6 hours", 6 * 3_600_000],
  ["24 hours", 24 * 3_600_000],
  ["7 days", 7 * 24 * 3_600_000],
  ["30 days", 30 * 24 * 3_600_000],
  ["year", 365 * 24 * 3_600_000],
];

/** A fragment as a sentence. */
export function sentence(text) {
  return text === "" ? "" : text[0].toUpperCase() + text.slice(1);
}

/** `exit code 137`, where there is one. */
export function codeText(code) {
  return code === null || code === undefined ? "" : `exit code ${code}`;
}

/** What comes next and when: `restart 3 of 10 in 1 min 40 s`. */
export function nextLine() {
  const text = make("span");
  const time = make("time");
  const element = make("p", { class: "next", hidden: true }, make("span", { class: "arrow", "aria-hidden": "true" }), " ", text, " ", time);
  return {
    element,
    set(next) {
      show(element, next !== null);
      setWords(text, next?.text ?? "");
      keep(time, next?.due ?? null, due);
    },
  };
}

export function createContainer(entry, openLog) {
  const state = badge();
  const code = make("span", { class: "code" });
  const reason = make("p", { class: "why" });
  const next = nextLine();
  const since = make("time");
  const sinceLine = make("span", { class: "since", hidden: true }, "up for ", since);
  const history = timeline(entry.name);
  const log = button("Log", `of ${entry.name}`, "quiet small", () => openLog(entry.name));
  const element = make(
    "li",
    { class: "container", "data-container": entry.name },
    make("div", { class: "line" }, make("h4", {}, entry.name), sinceLine, code, state.element, log),
    reason,
    next.element,
    history.element,
  );
  return { element, state, code, reason, next, since, sinceLine, history };
}

/** Updates it; what the card of its package says already is not said again. */
export function updateContainer(part, entry, card) {
  const isAlone = card.containers.length === 1;
  part.state.set(entry.colour, entry.state);
  show(part.state.element, !isAlone);
  const isTold = isAlone || card.why.startsWith(`\`${entry.name}\``);
  setText(part.code, isTold ? "" : codeText(entry.exit_code));
  show(part.reason, !isTold && entry.state !== "running");
  setWords(part.reason, sentence(entry.reason));
  part.next.set(isTold ? null : entry.next);
  const isUp = entry.running_since !== null;
  show(part.sinceLine, isUp);
  keep(part.since, entry.running_since, (at, at_now) => span(at_now - at));
  part.history.set(entry);
}

/** How a container ended before, as a line and as a list. */
function timeline(name) {
  const track = make("div", { class: "track", "aria-hidden": "true" });
  const from = make("span");
  const scale = make("div", { class: "scale", "aria-hidden": "true" }, from, make("span", {}, "now"));
  const list = make("ol", { class: "exits" });
  const count = make("summary");
  const element = make("div", { class: "history", hidden: true }, track, scale, make("details", {}, count, list));
  return {
    element,
    set(entry) {
      const { exits } = entry;
      show(element, exits.length > 0);
      if (exits.length === 0) return;
      const at_now = now();
      const oldest = Math.min(...exits.map((exit) => Date.parse(exit.at)));
      const [spanName, length] = SPANS.find(([, limit]) => at_now - oldest <= limit) ?? SPANS.at(-1);
      setText(from, `${spanName} ago`);
      const place = (time) => `${Math.min(98.5, Math.max(0, 100 - (100 * (at_now - Date.parse(time))) / length))}%`;
      const marks = exits.map((exit) => {
        const mark = make("span", { class: "mark", "data-colour": exit.colour, title: `${describe(exit)}, ${full(exit.at)}` });
        mark.style.insetInlineStart = place(exit.at);
        return mark;
      });
      if (entry.running_since !== null) {
        const up = make("span", { class: "up" });
        up.style.insetInlineStart = place(entry.running_since);
        marks.unshift(up);
      }
      track.replaceChildren(...marks);
      setText(count, exits.length === 1 ? `1 end of ${name}` : `${exits.length} ends of ${name}`);
      const newestFirst = exits.map((exit, index) => ({ ...exit, index })).reverse();
      sync(list, newestFirst, (exit) => `${exit.at} ${exit.index}`, createExit, updateExit);
    },
  };
}

function describe(exit) {
  return [exit.reason, codeText(exit.code)].filter((text) => text !== "").join(", ");
}

function createExit() {
  const what = badge();
  const code = make("span", { class: "code" });
  const time = make("time");
  return { element: make("li", {}, what.element, " ", code, " ", time), what, code, time };
}

function updateExit(part, exit) {
  part.what.set(exit.colour, exit.reason);
  setText(part.code, codeText(exit.code));
  keep(part.time, exit.at, passed);
}
