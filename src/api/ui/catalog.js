// What can be installed, and why the rest cannot.

import { button, make, setAttribute, setText, show, sync } from "./dom.js";
import { sentence } from "./container.js";
import { failurePart, operationPart } from "./packages.js";

/** Why a package of the catalog cannot be installed now; nothing where it can. */
export function obstacle(entry, installed) {
  if (entry.problems.length > 0) {
    return `Its manifest is bad: ${entry.problems.map((problem) => `${problem.key}: ${problem.what}`).join("; ")}`;
  }
  const reason = entry.not_installable;
  if (reason) {
    const of = (reason.containers ?? []).join(", ");
    return reason.kind === "no_image"
      ? `No image is known for ${of}; name one in a manifest of your own.`
      : sentence(String(reason.kind).replaceAll("_", " "));
  }
  const excluding = (entry.excludes ?? []).filter((id) => installed.has(id));
  return excluding.length > 0 ? `Cannot be installed beside ${excluding.join(", ")}.` : null;
}

/** Shows these entries: `[{ entry, why, operation, failed }]`. */
export function showCatalog(parent, shown, does) {
  sync(
    parent,
    shown,
    ({ entry }) => entry.id,
    ({ entry }) => createEntry(entry, does),
    updateEntry,
  );
}

function createEntry(entry, does) {
  const title = entry.title || entry.id;
  const version = make("span", { class: "version" });
  const about = make("p", { class: "about" });
  const why = make("p", { class: "why" });
  const failure = failurePart(title, does);
  const work = operationPart(title, does);
  const install = button("Install", title, "", () => does.install(entry.id));
  const element = make(
    "li",
    { class: "item", "data-entry": entry.id },
    make("div", { class: "line" }, make("h3", {}, title), version, install),
    about,
    why,
    work.element,
    failure.element,
  );
  return { element, version, about, why, failure, work, install };
}

function updateEntry(part, { entry, why, operation, failed }) {
  setText(part.version, entry.version);
  show(part.about, Boolean(entry.description));
  setText(part.about, entry.description ?? "");
  show(part.why, why !== null);
  setText(part.why, why ?? "");
  show(part.install, why === null);
  setAttribute(part.install, "aria-disabled", operation === null ? null : "true");
  part.work.set(operation);
  part.failure.set(failed);
}
