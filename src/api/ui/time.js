// Times in words. One timer keeps all of them true.

/** How far the node's clock is before this browser's, in milliseconds. */
let ahead = 0;

/** Takes in the `Date` header of an answer. */
export function heardDate(header) {
  const node = Date.parse(header ?? "");
  // Whole seconds, and the way here: what is small is not a difference of clocks.
  if (!Number.isNaN(node)) ahead = Math.abs(node - Date.now()) < 2000 ? 0 : node - Date.now();
}

/** The node's time, in milliseconds. */
export function now() {
  return Date.now() + ahead;
}

const UNITS = [["d", 86400], ["h", 3600], ["min", 60], ["s", 1]];

/** A length of time, with its two greatest units: `1 min 40 s`. */
export function span(milliseconds) {
  let seconds = Math.max(0, Math.round(milliseconds / 1000));
  const words = [];
  for (const [unit, length] of UNITS) {
    const count = Math.floor(seconds / length);
    seconds -= count * length;
    if (count > 0 || (unit === "s" && words.length === 0)) words.push(`${count} ${unit}`);
    else if (words.length > 0) break;
    if (words.length === 2) break;
  }
  return words.join(" ");
}

/** `3 min ago`, in coarse steps. */
export function ago(milliseconds) {
  if (milliseconds < 10_000) return "just now";
  const seconds = milliseconds / 1000;
  const [unit, length] = UNITS.find(([, unitLength]) => seconds >= unitLength);
  return `${Math.floor(seconds / length)} ${unit} ago`;
}

/** Date and time, as this browser's user writes them. */
export function full(time) {
  return new Date(time).toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** Elements with a time, and how each is put into words. */
const watched = new Map();

/** Keeps the text of `element` true as time goes by: `words` makes it of `time`. Nothing is shown without a time. */
export function keep(element, time, words) {
  const at = time === null ? null : Date.parse(time);
  if (at === null || Number.isNaN(at)) {
    watched.delete(element);
    if (element.textContent !== "") element.textContent = "";
    return;
  }
  watched.set(element, { at, words });
  if (element.tagName === "TIME") {
    element.dateTime = new Date(at).toISOString();
    element.title = full(at);
  }
  write(element, at, words);
}

function write(element, at, words) {
  const text = words(at, now());
  if (element.textContent !== text) element.textContent = text;
}

/** Words for a time that has passed. */
export const passed = (at, at_now) => ago(at_now - at);
/** Words for a time to come. */
export const due = (at, at_now) => (at - at_now < 1000 ? "now" : `in ${span(at - at_now)}`);

setInterval(() => {
  for (const [element, { at, words }] of watched) {
    if (element.isConnected) write(element, at, words);
    else watched.delete(element);
  }
}, 1000);
