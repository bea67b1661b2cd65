// Building and updating the document. Text goes in as text, never as markup.

/** An element with attributes and children; texts become text nodes. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

/** A text that only screen readers have. */
export function onlyRead(text) {
  return make("span", { class: "only-read" }, text);
}

/** Sets a text where it differs: what is not touched keeps its focus and selection, and is not read out again. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Sets a text in which names stand in backticks, as archipelago writes them. */
export function setWords(element, text) {
  if (element.words === text) return;
  element.words = text;
  const parts = text.split("`");
  // An odd one is a backtick of its own, and stays one.
  const isPaired = parts.length % 2 === 1;
  element.replaceChildren(...(isPaired ? parts.map((part, index) => (index % 2 === 1 ? make("code", {}, part) : part)) : [text]));
}

/** Sets an attribute, or takes it away. */
export function setAttribute(element, name, value) {
  if (value === null || value === undefined || value === false) element.removeAttribute(name);
  else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** Shows or hides. */
export function show(element, isShown) {
  if (element.hidden === isShown) element.hidden = !isShown;
}

/**
 * Makes the children of `parent` those of `items`, in their order. An item's element is made once, by its key, and then
 * updated: so buttons that have the focus keep it.
 */
export function sync(parent, items, keyOf, create, update) {
  const before = parent.parts ?? new Map();
  const now = new Map();
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = String(keyOf(item));
    const part = before.get(key) ?? create(item);
    before.delete(key);
    now.set(key, part);
    if (part.element === place) place = place.nextElementSibling;
    else parent.insertBefore(part.element, place);
    update(part, item);
  }
  for (const part of before.values()) part.element.remove();
  parent.parts = now;
}

/** A button that says what it does to whom. While `isBusy` it stays where it is, and does nothing. */
export function button(text, whom, className, act) {
  const element = make("button", { type: "button", class: className }, text, onlyRead(` ${whom}`));
  element.addEventListener("click", () => {
    if (element.getAttribute("aria-disabled") !== "true") act();
  });
  return element;
}

/** The word of a state with its sign: the shape differs as well as the colour. */
export function badge() {
  const word = make("span", { class: "word" });
  const element = make("span", { class: "badge" }, make("span", { class: "sign", "aria-hidden": "true" }), word);
  return {
    element,
    set(colour, text) {
      setAttribute(element, "data-colour", colour);
      setText(word, text);
    },
  };
}
