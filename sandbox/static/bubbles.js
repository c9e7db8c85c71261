// One item of a chat as an element.
import { avatar, el, icon, webAddress } from "./dom.js";
import { words } from "./words.js";

const VIA = { passive: "被动回复", customer_service: "客服消息", template: "模板消息", subscription: "订阅通知" };
const QUIET = new Set(["event", "fault"]);

// context: {title, nickname, openid, pick(id, content), inspect(item)}
export function bubble(item, context) {
  if (QUIET.has(item.type)) {
    return el("div", { class: `line ${item.type}` }, el("span", {}, item.text), caption(item, context));
  }
  const mine = item.from === "user";
  const face = mine ? avatar(context.nickname, context.openid) : avatar(context.title, context.title);
  const body = el("div", { class: "body" }, content(item, context), below(item, context));
  return el("div", { class: `row ${mine ? "mine" : "theirs"}` }, face, body, mine ? fate(item) : null);
}

function content(item, context) {
  const render = { voice, image, location, news, template, msgmenu }[item.type] ?? text;
  return render(item, context);
}

function text(item, context) {
  return el("div", { class: "bubble" }, words(item.text, context.pick));
}

function msgmenu(item, context) {
  const lines = item.menu.items.map((line) =>
    el("li", {}, el("button", { class: "pick", onclick: () => context.pick(line.id, line.content) }, line.content)),
  );
  return el(
    "div",
    { class: "bubble" },
    item.text ? el("p", {}, words(item.text, context.pick)) : null,
    el("ul", { class: "picks" }, lines),
    item.menu.tail ? el("p", { class: "tail" }, words(item.menu.tail, context.pick)) : null,
  );
}

function voice(item) {
  const seconds = Math.max(1, Math.min(60, Math.ceil([...item.text].length / 4)));
  const sound = el("div", { class: "bubble voice" }, el("span", {}, `${seconds}″`), icon("voice"));
  sound.style.minWidth = `${70 + seconds * 4}px`;
  return [sound, item.text ? el("div", { class: "heard" }, item.text) : el("div", { class: "heard none" }, "（没有识别出文字）")];
}

function image(item) {
  const media = item.card?.media;
  if (media) return el("img", { class: "picture", src: `api/media/${encodeURIComponent(media)}`, alt: "图片" });
  return el("div", { class: "picture blank", role: "img", "aria-label": "图片" }, icon("image"));
}

function location(item) {
  return el("div", { class: "card place" }, el("strong", {}, item.text), el("div", { class: "map" }, icon("place")));
}

function news(item) {
  const url = webAddress(item.card.url ?? "");
  const inside = [el("strong", {}, item.card.title), el("p", {}, item.card.description)];
  if (!url) return el("div", { class: "card" }, inside);
  return el("a", { class: "card", href: url, target: "_blank", rel: "noopener noreferrer" }, inside);
}

function template(item) {
  const rows = item.card.rows.map((row) => [el("dt", {}, row.label), el("dd", {}, row.value)]);
  const url = webAddress(item.card.url ?? "");
  const more = url ? el("a", { class: "detail", href: url, target: "_blank", rel: "noopener noreferrer" }, "查看详情") : null;
  return el("div", { class: "card template" }, el("strong", {}, item.card.title), el("dl", {}, rows), more);
}

function below(item, context) {
  const label = item.is_ai ? el("div", { class: "ai" }, "内容由AI生成") : null;
  return [label, caption(item, context)];
}

// Seen only while the developer panel is open; WeChat shows nothing of the kind.
function caption(item, context) {
  const via = VIA[item.via] ?? "";
  return el("div", { class: "caption" }, via ? el("span", {}, via) : null, el("button", { onclick: () => context.inspect(item) }, "查看报文"));
}

function fate(item) {
  return item.delivery === "sending" ? el("span", { class: "fate sending", role: "img", "aria-label": "发送中" }) : null;
}
