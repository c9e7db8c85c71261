// 查看报文: how an item of the chat travelled, byte for byte, for whoever runs the gateway.
import { get } from "./api.js";
import { byId, el } from "./dom.js";

const OUTCOMES = { replied: "被动回复", acknowledged: "已确认", fault: "应答不合格", unreachable: "没有应答" };

export class Trace {
  // latest(): the last item of the chat or undefined; toggled(shown)
  constructor({ latest, toggled }) {
    this.latest = latest;
    this.panel = byId("trace");
    this.body = byId("trace-body");
    this.toggled = toggled;
    this.item = null;
    byId("trace-toggle").addEventListener("click", () => this.toggle());
    byId("trace-close").addEventListener("click", () => this.open(false));
    this.forget();
  }

  // Opened by the button, it shows the latest message that has travelled.
  toggle() {
    const latest = this.panel.hidden && this.item === null ? this.latest() : null;
    if (latest) this.inspect(latest);
    else this.open(this.panel.hidden);
  }

  open(shown) {
    this.panel.hidden = !shown;
    document.body.classList.toggle("developer", shown);
    byId("trace-toggle").setAttribute("aria-expanded", String(shown));
    this.toggled(shown);
  }

  forget() {
    this.item = null;
    this.body.replaceChildren(el("p", { class: "hint" }, "点聊天里任意一条消息下面的「查看报文」，看它以什么样的 HTTP 请求走完全程。"));
  }

  async inspect(item) {
    this.item = item.answers || item.id;
    this.open(true);
    await this.refresh(this.item);
    byId("trace-close").focus();
  }

  async refresh(item) {
    if (this.item === null || item !== this.item || this.panel.hidden) return;
    const entries = await get(`api/trace?item=${this.item}`);
    const shown = entries.map((entry) => (entry.kind === "delivery" ? delivery(entry) : call(entry)));
    this.body.replaceChildren(...(shown.length ? shown : [el("p", { class: "hint" }, "这一条没有报文。")]));
  }
}

function delivery(entry) {
  const outcome = entry.outcome ? `${OUTCOMES[entry.outcome]} · ${entry.took_ms} 毫秒` : "在途";
  const sealed = entry.body !== entry.clear;
  return el(
    "article",
    { class: `entry ${entry.outcome ?? ""}` },
    el("h3", {}, `平台 → 网关 · 第 ${entry.number} 次`, el("small", {}, outcome)),
    entry.why ? el("p", { class: "why" }, entry.why) : null,
    block("请求", `POST /wechat/${entry.account}\n${lines(entry.query)}`),
    block(sealed ? "报文（加密）" : "报文（明文）", entry.body),
    sealed ? block("解密后", indent(entry.clear), true) : null,
    entry.answer === undefined ? null : block(`应答 HTTP ${entry.status}`, entry.answer || "（空）"),
    entry.answer_clear && entry.answer_clear !== entry.answer ? block("应答解密后", indent(entry.answer_clear), true) : null,
    entry.repeated ? el("p", { class: "hint" }, "同一条消息只显示一次被动回复，这一份没有再显示。") : null,
  );
}

function call(entry) {
  const fate = entry.fault ? `故障：${entry.fault}` : `errcode ${entry.errcode}`;
  return el(
    "article",
    { class: "entry" },
    el("h3", {}, "网关 → 平台", el("small", {}, fate)),
    block("请求", `${entry.method} /cgi-bin/${entry.api}?${entry.query}`),
    block("报文", pretty(entry.body), true),
    entry.answer ? block("应答", pretty(entry.answer)) : null,
  );
}

function block(label, text, open = false) {
  return el("details", { open }, el("summary", {}, label), el("pre", { tabindex: "0" }, text));
}

const lines = (query) => Object.entries(query).map(([name, value]) => `  ${name}=${value}`).join("\n");

// One element a line. Good enough to read: what is inside CDATA stays as it is.
const indent = (xml) => xml.replace(/>(?=<(?!!\[CDATA|\/(?!xml>)))/g, ">\n").replace(/^<(?!\/?xml>)/gm, "  <");

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
