// The page: what is known of the node, and from it what is shown.

import { TokenRefused, call, follow, setToken, takeTokenFromAddress, token } from "./api.js";
import { obstacle, showCatalog } from "./catalog.js";
import { sentence } from "./container.js";
import { askUninstall, closeDialogs, showLog } from "./dialogs.js";
import { badge, make, setAttribute, setText, setWords, show, sync } from "./dom.js";
import { entryOf, showPackages } from "./packages.js";
import { ago, keep, now, passed, span } from "./time.js";

const by = (id) => document.getElementById(id);

/** So many log lines are shown. */
const LOG_LINES = 300;
/** So many notifications, until all are wanted. */
const FEW_NEWS = 5;

/** All that is known of the node. */
const node = {
  packages: null,
  catalog: [],
  operations: new Map(),
  news: new Map(),
  health: null,
  /** Failures that the user has put away. */
  dismissed: new Set(),
  /** What is shown does not hold any more: since when. */
  staleSince: null,
  nextTry: null,
  lostWhy: "",
};
let allNews = false;
let filter = "";
let stopFollowing = () => {};

// ---- Saying ----

/** Says something to those who do not see it. */
function say(text) {
  const said = by("said");
  // The same text again is no change, and would not be read.
  said.textContent = said.textContent === text ? `${text}\u00a0` : text;
}

/** Says which states have changed. */
function sayChanges(before, after) {
  if (before === null) return;
  const states = new Map(before.map((entry) => [entry.id, entry.state]));
  const changes = after
    .filter((entry) => states.get(entry.id) !== entry.state)
    .map((entry) => {
      const code = entry.exit_code === null || entry.colour === "blue" ? "" : `, exit code ${entry.exit_code}`;
      return `${entry.title} is ${entry.state}${code}`;
    });
  const ids = new Set(after.map((entry) => entry.id));
  changes.push(...before.filter((entry) => !ids.has(entry.id)).map((entry) => `${entry.title} is uninstalled`));
  if (changes.length > 0) say(`${changes.join(". ")}.`);
}

// ---- Showing ----

let isAsked = false;

/** Shows all there is, once for whatever comes together. */
function render() {
  if (isAsked) return;
  isAsked = true;
  requestAnimationFrame(() => {
    isAsked = false;
    renderNow();
  });
}
// No frames are drawn where nobody looks; the title is still to be true.
document.addEventListener("visibilitychange", () => isAsked && renderNow());

/** The newest operation of a package. */
function newest(id) {
  let found = null;
  for (const operation of node.operations.values()) {
    if (operation.package === id && (found === null || operation.id > found.id)) found = operation;
  }
  return found;
}

const under_way = (operation) => (operation?.state === "running" ? operation : null);
/** A failure, for a day or until it is put away. */
function failed(operation) {
  if (operation?.state !== "failed" || node.dismissed.has(operation.id)) return null;
  return now() - Date.parse(operation.ended_at) < 86_400_000 ? operation : null;
}

function renderNow() {
  renderLink();
  if (node.packages === null) return;
  const offered = new Map(node.catalog.map((entry) => [entry.id, entry]));
  const packages = node.packages.map((entry) => {
    const operation = newest(entry.id);
    const offer = offered.get(entry.id);
    const isNewer = offer && offer.version !== entry.version && offer.problems.length === 0 && !offer.not_installable;
    return { entry, operation: under_way(operation), failed: failed(operation), newVersion: isNewer ? offer.version : null };
  });
  const installed = new Set(node.packages.map((entry) => entry.id));
  for (const operation of node.operations.values()) {
    if (operation.state === "running" && !installed.has(operation.package)) {
      const entry = entryOf(operation, offered.get(operation.package)?.title);
      packages.push({ entry, operation, failed: null, newVersion: null });
      installed.add(operation.package);
    }
  }
  packages.sort((left, right) => left.entry.title.localeCompare(right.entry.title) || (left.entry.id < right.entry.id ? -1 : 1));
  showPackages(by("packages"), packages, does);
  show(by("nothing"), packages.length === 0);
  renderSummary(packages);
  renderNews();
  const wanted = node.catalog
    .filter((entry) => !installed.has(entry.id))
    .filter((entry) => `${entry.id} ${entry.title} ${entry.description ?? ""} ${entry.category ?? ""}`.toLowerCase().includes(filter))
    .map((entry) => ({ entry, why: obstacle(entry, installed), operation: null, failed: failed(newest(entry.id)) }));
  // What can be had first.
  wanted.sort((left, right) => Number(left.why !== null) - Number(right.why !== null));
  showCatalog(by("catalog"), wanted, does);
  show(by("catalog-empty"), wanted.length === 0);
  show(by("node"), true);
}

const SEVERE = ["red", "amber", "blue", "green", "grey"];

function renderSummary(packages) {
  const counts = new Map();
  for (const { entry } of packages) {
    const group = counts.get(entry.state) ?? { state: entry.state, colour: entry.colour, count: 0 };
    group.count += 1;
    counts.set(entry.state, group);
  }
  const groups = [...counts.values()].sort((left, right) => SEVERE.indexOf(left.colour) - SEVERE.indexOf(right.colour));
  sync(
    by("summary"),
    groups,
    (group) => group.state,
    () => badge(),
    (part, group) => part.set(group.colour, `${group.count} ${group.state}`),
  );
  const bad = packages.filter(({ entry }) => entry.colour === "red").length;
  document.title = bad === 0 ? "archipelago" : `(${bad}) archipelago`;
}

function renderNews() {
  const news = [...node.news.values()].sort((left, right) => right.id - left.id);
  show(by("news-section"), news.length > 0);
  show(by("news-more"), news.length > FEW_NEWS);
  setText(by("news-more"), allNews ? "Show fewer" : `Show all ${news.length}`);
  sync(
    by("news"),
    allNews ? news : news.slice(0, FEW_NEWS),
    (item) => item.id,
    () => {
      const severity = badge();
      const text = make("span", { class: "news-text" });
      const time = make("time");
      return { element: make("li", {}, severity.element, text, time), severity, text, time };
    },
    (part, item) => {
      const colour = { error: "red", warning: "amber", info: "grey" }[item.severity] ?? "grey";
      part.severity.set(colour, item.severity);
      const whom = item.container ?? item.package;
      const isNamed = whom === null || whom === undefined || item.text.includes(whom);
      setWords(part.text, isNamed ? sentence(item.text) : `${whom}: ${item.text}`);
      keep(part.time, item.at, passed);
    },
  );
}

function renderLink() {
  const isLost = node.staleSince !== null;
  const state = isLost ? "lost" : node.packages === null ? "connecting" : "live";
  setAttribute(by("link"), "data-state", state);
  setText(by("link-text"), { lost: "disconnected", connecting: "connecting", live: "live" }[state]);
  document.body.classList.toggle("is-stale", isLost);
  show(by("stale"), isLost);
  if (isLost) {
    const wait = node.nextTry - Date.now();
    const next = wait > 500 ? `next try in ${span(wait)}` : "trying now";
    const what = node.packages === null ? "Nothing is known yet" : `What you see is from ${ago(Date.now() - node.staleSince)}`;
    // Not a live region of its own while it counts.
    setAttribute(by("stale"), "aria-live", "off");
    setText(by("stale"), `Disconnected: ${node.lostWhy}. ${what}; ${next}.`);
  }
  const { health } = node;
  const trouble =
    health?.status === "recovering"
      ? "The node is bringing back what ran before it went down."
      : health?.podman_error
        ? `podman cannot be asked: ${health.podman_error}`
        : null;
  show(by("daemon"), trouble !== null);
  setAttribute(by("daemon"), "data-tone", health?.status === "recovering" ? "blue" : "red");
  setText(by("daemon"), trouble ?? "");
}

setInterval(() => node.staleSince !== null && renderLink(), 1000);

// ---- Doing ----

/** Calls, and shows at the package what went wrong before there was an operation. */
async function act(method, id, params = {}) {
  const kind = method.split(".")[1];
  try {
    await call(method, { id, wait: false, ...params });
  } catch (error) {
    if (error instanceof TokenRefused) return signIn(error.where, true);
    const number = -Date.now();
    node.operations.set(number, {
      // Newer than all that the node has told of.
      id: Math.max(0, ...[...node.operations.values()].map((operation) => operation.id)) + 0.5,
      kind,
      package: id,
      state: "failed",
      step: "",
      progress: null,
      cancellable: false,
      started_at: new Date().toISOString(),
      ended_at: new Date().toISOString(),
      error: error.message,
    });
    say(`${sentence(kind)} of ${titleOf(id)} failed: ${error.message}`);
    render();
  }
}

function titleOf(id) {
  const known = [...(node.packages ?? []), ...node.catalog].find((entry) => entry.id === id);
  return known?.title || id;
}

const does = {
  install: (id) => act("package.install", id),
  start: (id) => act("package.start", id),
  stop: (id) => act("package.stop", id),
  restart: (id) => act("package.restart", id),
  update: (id) => act("package.update", id),
  uninstall: (id) => askUninstall(titleOf(id), (keepData) => act("package.uninstall", id, { keepData })),
  log: (name) => showLog(name, async () => (await call("container.logs", { name, tail: LOG_LINES })).lines),
  cancel: async (id) => {
    try {
      await call("operation.cancel", { id });
    } catch (error) {
      say(`It cannot be cancelled: ${error.message}`);
    }
  },
  dismiss: (id) => {
    node.dismissed.add(id);
    render();
  },
};

// ---- Hearing ----

function takeOperation(operation) {
  const before = node.operations.get(operation.id);
  node.operations.set(operation.id, operation);
  if (before?.state === "running" && operation.state !== "running") {
    const why = operation.error ? `: ${operation.error}` : "";
    say(`${sentence(operation.kind)} of ${titleOf(operation.package)} ${operation.state}${why}.`);
    refreshCatalog();
  }
}

const takes = {
  packages(entries) {
    const before = node.packages;
    node.packages = entries;
    sayChanges(before, entries);
  },
  operation: takeOperation,
  notification(notification) {
    const isNew = node.isSettled && !node.news.has(notification.id);
    node.news.set(notification.id, notification);
    if (isNew) say(sentence(notification.text));
  },
  health(health) {
    node.health = health;
  },
};

async function refreshCatalog() {
  try {
    node.catalog = await call("catalog.list");
    render();
  } catch {
    // It is asked for again with the next connection.
  }
}

async function showVersions() {
  try {
    const { archipelago, podman } = await call("system.version");
    setText(by("versions"), `archipelago ${archipelago} · podman ${podman}`);
  } catch {
    setText(by("versions"), "");
  }
}

function connect() {
  stopFollowing();
  node.isSettled = false;
  stopFollowing = follow({
    onOpen() {
      const wasLost = node.staleSince !== null;
      node.staleSince = null;
      // All there is comes again.
      node.operations.clear();
      show(by("sign-in"), false);
      show(by("sign-out"), token() !== "");
      if (wasLost) say("Connected again.");
      setTimeout(() => (node.isSettled = true), 1000);
      refreshCatalog();
      showVersions();
      render();
    },
    onEvent(name, data) {
      takes[name]?.(data);
      render();
    },
    onLost(why, nextTry) {
      if (node.staleSince === null) say(`Disconnected: ${why}.`);
      node.staleSince ??= Date.now();
      node.nextTry = nextTry;
      node.lostWhy = why;
      render();
    },
    onRefused: (where) => signIn(where, token() !== ""),
  });
}

/** Asks for the token; `where` is the node's text on it. */
function signIn(where, isWrong) {
  stopFollowing();
  closeDialogs();
  setToken("");
  Object.assign(node, { packages: null, catalog: [], health: null, staleSince: null });
  node.operations.clear();
  node.news.clear();
  renderLink();
  setText(by("link-text"), "token needed");
  show(by("node"), false);
  show(by("sign-out"), false);
  setText(by("versions"), "");
  const file = /content of (\S+)/.exec(where)?.[1];
  if (file) setText(by("token-file"), file);
  setText(by("sign-in-error"), isWrong ? "That token is wrong." : "");
  show(by("sign-in"), true);
  by("token").value = "";
  by("token").focus();
}

by("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(by("token").value.trim());
  setText(by("sign-in-error"), "");
  connect();
});
by("sign-out").addEventListener("click", () => {
  setToken("");
  connect();
});
by("news-more").addEventListener("click", () => {
  allNews = !allNews;
  render();
});
by("filter").addEventListener("input", () => {
  filter = by("filter").value.trim().toLowerCase();
  render();
});
window.addEventListener("hashchange", () => takeTokenFromAddress() && connect());

takeTokenFromAddress();
connect();
