// Elements are only ever filled with text, never with markup: what the gateway sends stays text.

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  for (const child of children.flat(Infinity)) if (child !== null && child !== undefined && child !== "") node.append(child);
  return node;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#i-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

export function byId(id) {
  return document.getElementById(id);
}

const HUES = ["#3d8bd9", "#2aa876", "#d9822b", "#8a63c9", "#c9566b", "#4a90a4", "#7a8f2e"];

export function avatar(name, seed) {
  let sum = 0;
  for (const letter of seed) sum = (sum * 31 + letter.codePointAt(0)) % 997;
  const node = el("span", { class: "avatar", "aria-hidden": "true" }, [...name][0] ?? "?");
  node.style.background = HUES[sum % HUES.length];
  return node;
}

// Only web links may be opened; anything else a message carries is shown as words.
export function webAddress(text) {
  try {
    const url = new URL(text);
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : "";
  } catch {
    return "";
  }
}
