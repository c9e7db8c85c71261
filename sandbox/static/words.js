// The words of a message as WeChat shows them: line breaks, web addresses, and the one tag it knows, <a href>.
import { el, webAddress } from "./dom.js";

const LINK = /<a\s+[^>]*?href\s*=\s*(["'])(.*?)\1[^>]*>(.*?)<\/a>|(https?:\/\/[^\s<>"'，。；）】]+)/gis;

export function words(text, pick) {
  const nodes = [];
  let end = 0;
  for (const found of text.matchAll(LINK)) {
    nodes.push(text.slice(end, found.index), link(found, pick));
    end = found.index + found[0].length;
  }
  nodes.push(text.slice(end));
  return nodes.filter((node) => node !== "");
}

function link([whole, , href, label, bare], pick) {
  const address = href ?? bare;
  const line = menuLine(address);
  if (line) return el("button", { class: "pick inline", onclick: () => pick(line.id, line.content) }, label || line.content);
  const url = webAddress(address);
  if (!url) return whole;
  return el("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, label ?? bare);
}

// weixin://bizmsgmenu?msgmenucontent=…&msgmenuid=… makes a word of a text behave like a line of a menu.
function menuLine(address) {
  if (!address.startsWith("weixin://bizmsgmenu?")) return null;
  const query = new URLSearchParams(address.slice(address.indexOf("?") + 1));
  const content = query.get("msgmenucontent");
  return content ? { id: query.get("msgmenuid") ?? "", content } : null;
}
