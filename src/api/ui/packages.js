// The cards of installed packages, and of those on their way in.

import { badge, button, make, setAttribute, setText, setWords, show, sync } from "./dom.js";
import { codeText, createContainer, nextLine, sentence, updateContainer } from "./container.js";
import { keep, passed } from "./time.js";

/** Where a start makes sense: at once, instead of at the next attempt. */
const STARTABLE = new Set(["stopped", "waiting", "interrupted", "killed", "killed (OOM)", "crashed", "needs attention"]);
/** Where a restart makes sense. */
const RESTARTABLE = new Set(["running", "starting", "unhealthy", "paused"]);

/** A card for a package that has an operation and no entry yet. */
export function entryOf(operation, title) {
  return {
    id: operation.package,
    title: title ?? operation.package,
    version: "",
    state: operation.kind === "install" ? "installing" : "uninstalling",
    colour: "blue",
    exit_code: null,
    why: "",
    next: null,
    containers: [],
  };
}

/** Shows these packages: `[{ entry, operation, newVersion }]`. `does` are the actions. */
export function showPackages(parent, packages, does) {
  const focused = document.activeElement;
  sync(
    parent,
    packages,
    ({ entry }) => entry.id,
    ({ entry }) => createPackage(entry, does),
    (part, shown) => updatePackage(part, shown, does),
  );
  // A button that is gone does not take the focus with it: it goes to the card.
  if (focused instanceof HTMLElement && focused.closest("[hidden]") !== null && parent.contains(focused)) {
    focused.closest(".package")?.querySelector("h3")?.focus();
  }
}

function createPackage(entry, does) {
  const { id, title } = entry;
  const state = badge();
  const code = make("span", { class: "code" });
  const version = make("span", { class: "version" });
  const why = make("p", { class: "why" });
  const next = nextLine();
  const containers = make("ul", { class: "containers" });
  const work = operationPart(title, does);
  const failure = failurePart(title, does);
  const buttons = {
    start: button("Start", title, "strong", () => does.start(id)),
    stop: button("Stop", title, "", () => does.stop(id)),
    restart: button("Restart", title, "", () => does.restart(id)),
    update: button("Update", title, "strong", () => does.update(id)),
    uninstall: button("Uninstall", title, "quiet", () => does.uninstall(id)),
  };
  const heading = make("h3", { id: `package-${id}`, tabindex: "-1" }, title);
  const element = make(
    "article",
    { class: "package", "aria-labelledby": `package-${id}`, "data-package": id },
    make("div", { class: "line" }, heading, version),
    make("div", { class: "line state" }, state.element, code),
    why,
    next.element,
    work.element,
    failure.element,
    containers,
    make("div", { class: "actions" }, ...Object.values(buttons)),
  );
  return { element, heading, state, code, version, why, next, containers, work, failure, buttons };
}

function updatePackage(part, { entry, operation, failed, newVersion }, does) {
  const isAtWork = operation !== null;
  setAttribute(part.element, "data-colour", entry.colour);
  setText(part.heading, entry.title);
  setText(part.version, entry.version);
  part.state.set(entry.colour, entry.state);
  setText(part.code, isAtWork ? "" : codeText(entry.exit_code));
  show(part.why, entry.why !== "" && entry.state !== "running" && !isAtWork);
  setWords(part.why, sentence(entry.why));
  part.next.set(isAtWork ? null : entry.next);
  part.work.set(operation);
  part.failure.set(failed);
  sync(
    part.containers,
    entry.containers,
    (container) => container.name,
    (container) => createContainer(container, does.log),
    (container, data) => updateContainer(container, data, entry),
  );
  // On its way in there is nothing to tell of them yet.
  show(part.containers, entry.containers.length > 0 && operation?.kind !== "install");
  const { start, stop, restart, update, uninstall } = part.buttons;
  show(start, STARTABLE.has(entry.state));
  show(stop, entry.colour !== "blue" && entry.state !== "stopped" && entry.state !== "done");
  show(restart, RESTARTABLE.has(entry.state));
  show(update, newVersion !== null && !isAtWork);
  if (newVersion !== null) setText(update.firstChild, `Update to ${newVersion}`);
  show(uninstall, operation?.kind !== "install");
  for (const each of Object.values(part.buttons)) setAttribute(each, "aria-disabled", isAtWork ? "true" : null);
}

const BYTE_UNITS = ["B", "kB", "MB", "GB", "TB"];

function bytes(count) {
  const power = Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3));
  const value = count / 1000 ** power;
  return `${value.toLocaleString(undefined, { maximumFractionDigits: value < 10 && power > 0 ? 1 : 0 })} ${BYTE_UNITS[power]}`;
}

function progressText({ done, total, unit }) {
  const text = (count) => (unit === "bytes" ? bytes(count) : String(count));
  const words = total === null ? text(done) : `${text(done)} of ${text(total)}`;
  return unit === "bytes" ? words : `${words} ${unit}`;
}

/** An operation under way: its step, how far it is, and a way to cancel it. */
export function operationPart(title, does) {
  const step = make("p", { class: "step" });
  const bar = make("progress", { "aria-label": `Progress of ${title}` });
  const far = make("span", { class: "far" });
  let id = null;
  const cancel = button("Cancel", title, "small", () => does.cancel(id));
  const element = make("div", { class: "work", hidden: true }, step, make("div", { class: "line" }, bar, far, cancel));
  return {
    element,
    set(operation) {
      show(element, operation !== null);
      if (operation === null) return;
      id = operation.id;
      setText(step, sentence(operation.step));
      const { progress } = operation;
      if (progress !== null && progress.total !== null && progress.total > 0) {
        bar.max = progress.total;
        bar.value = Math.min(progress.done, progress.total);
      } else {
        bar.removeAttribute("value");
      }
      setText(far, progress === null ? "" : progressText(progress));
      show(cancel, operation.cancellable === true);
    },
  };
}

/** The last operation, where it failed, until it is dismissed. */
export function failurePart(title, does) {
  const what = make("strong");
  const time = make("time");
  const text = make("p", { class: "failure-text" });
  let id = null;
  const dismiss = button("Dismiss", `the error of ${title}`, "quiet small", () => does.dismiss(id));
  const element = make("div", { class: "failure", hidden: true }, make("div", { class: "line" }, what, time, dismiss), text);
  return {
    element,
    set(operation) {
      show(element, operation !== null);
      if (operation === null) return;
      id = operation.id;
      setText(what, `${sentence(operation.kind)} failed`);
      keep(time, operation.ended_at, passed);
      setWords(text, sentence(operation.error ?? ""));
    },
  };
}
