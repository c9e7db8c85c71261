// The chat of one person: keeps the items in order and the view at the end.
import { bubble } from "./bubbles.js";
import { byId, el } from "./dom.js";

const PAUSE = 5 * 60 * 1000; // WeChat shows the time again after five quiet minutes

export class Chat {
  constructor(context) {
    this.context = context;
    this.items = new Map();
    this.nodes = new Map();
    this.box = byId("chat");
    this.box.replaceChildren();
    // When the keyboard bar or the panel takes room, the last words stay in view.
    new ResizeObserver(() => this.toEnd()).observe(this.box);
  }

  past(items) {
    for (const item of items) this.put(item);
  }

  put(item) {
    const old = this.items.get(item.id);
    if (old && JSON.stringify(old) === JSON.stringify(item)) return;
    const near = this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < 160;
    const node = bubble(item, this.context);
    node.dataset.item = item.id;
    if (old) this.nodes.get(item.id).replaceWith(node);
    else this.append(item, node);
    this.items.set(item.id, item);
    this.nodes.set(item.id, node);
    if (near || item.from === "user") this.toEnd();
  }

  append(item, node) {
    const last = this.latest();
    const time = new Date(item.time);
    if (!last || time - new Date(last.time) > PAUSE) this.box.append(el("div", { class: "line time" }, clock(time)));
    this.box.append(node);
  }

  latest() {
    return [...this.items.values()].at(-1);
  }

  clear() {
    this.items.clear();
    this.nodes.clear();
    this.box.replaceChildren();
  }

  toEnd() {
    this.box.scrollTop = this.box.scrollHeight;
  }
}

export function clock(time) {
  const hour = time.getHours();
  const part = hour < 6 ? "凌晨" : hour < 12 ? "上午" : hour < 13 ? "中午" : hour < 18 ? "下午" : "晚上";
  const minutes = String(time.getMinutes()).padStart(2, "0");
  const short = `${part}${hour > 12 ? hour - 12 : hour}:${minutes}`;
  const days = Math.round((new Date(time).setHours(0, 0, 0, 0) - new Date().setHours(0, 0, 0, 0)) / 86400000);
  if (days === 0) return short;
  if (days === -1) return `昨天 ${short}`;
  return `${time.getMonth() + 1}月${time.getDate()}日 ${short}`;
}
