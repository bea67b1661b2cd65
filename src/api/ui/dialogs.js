// The two dialogs: before an uninstall, and the log of a container. Native ones: focus stays inside, Escape closes, and
// the focus goes back to where it was.

import { setText } from "./dom.js";

const by = (id) => document.getElementById(id);

/** Asks before an uninstall; `uninstall(keepData)` is called when the user wants it. */
export function askUninstall(title, uninstall) {
  const dialog = by("uninstall");
  const keep = by("keep-data");
  const explain = () =>
    setText(
      by("keep-data-means"),
      keep.checked
        ? "Its volumes and secrets stay; a later install finds them again."
        : "Its volumes and secrets are deleted for good.",
    );
  setText(by("uninstall-heading"), `Uninstall ${title}?`);
  keep.checked = true;
  explain();
  keep.onchange = explain;
  by("uninstall-no").onclick = () => dialog.close();
  by("uninstall-yes").onclick = () => {
    dialog.close();
    uninstall(keep.checked);
  };
  dialog.showModal();
}

/** Shows the log of a container; `read()` gets its lines. */
export function showLog(name, read) {
  const dialog = by("logs");
  const text = by("logs-text");
  const refresh = async () => {
    try {
      const lines = await read();
      setText(text, lines.length === 0 ? "It has written nothing." : lines.join("\n"));
      text.scrollTop = text.scrollHeight;
    } catch (error) {
      setText(text, `The log cannot be read: ${error.message}`);
    }
  };
  setText(by("logs-heading"), `Log of ${name}`);
  setText(text, "Reading…");
  by("logs-refresh").onclick = refresh;
  by("logs-close").onclick = () => dialog.close();
  dialog.showModal();
  refresh();
}

/** Closes what is open. */
export function closeDialogs() {
  for (const dialog of document.querySelectorAll("dialog[open]")) dialog.close();
}
