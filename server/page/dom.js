/* dom.js - making and finding elements. Text is always text, never markup. */

export const byId = (id) => document.getElementById(id);

/* make("button", {class, text, on: {click}, aria-label: ...}, ...children) */
export function make(tag, wants = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(wants)) {
    if (name === "text") node.textContent = value;
    else if (name === "on") for (const [type, run] of Object.entries(value)) node.addEventListener(type, run);
    else if (value !== undefined && value !== false) node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children);
  return node;
}

/* For screen readers: what has just happened. */
export function say(words) {
  byId("status").textContent = words;
}

/* Shown until it is closed. */
export function showError(words) {
  const close = make("button", { type: "button", class: "plain", "aria-label": "Close this message", text: "×",
    on: { click: () => card.remove() } });
  const card = make("div", { class: "error" }, make("p", { text: words }), close);
  byId("errors").replaceChildren(card);
}

export function clearErrors() {
  byId("errors").replaceChildren();
}

/* Saves a Blob under a name. */
export function save(blob, name) {
  const url = URL.createObjectURL(blob);
  make("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60000);
}
