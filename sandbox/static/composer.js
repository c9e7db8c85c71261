// What the user types, says and taps: the bar at the bottom of the phone.
import { byId, el, icon, webAddress } from "./dom.js";

const CHIPS = {
  doctor: [
    "二甲双胍肾功能不全能用吗",
    "氨氯地平和辛伐他汀能一起吃吗",
    "缬沙坦孕妇能用吗",
    "阿托伐他汀要晚上吃吗",
    "二甲双胍能用来减肥吗",
    "病人吃完药全身起皮疹",
    "找人工",
  ],
  patient: ["吃了", "今天高压145低压92", "药漏吃了一顿怎么办", "胸口疼得厉害", "退订"],
};

const MORE = [
  { label: "图片", icon: "image", act: { type: "image" } },
  { label: "位置", icon: "place", act: { type: "location", content: "示例市示例县人民医院" } },
  { label: "没听清的语音", icon: "mute", act: { type: "voice" } },
  { label: "扫一扫", icon: "scan", scan: true },
];

export class Composer {
  // send(act): act is what POST api/messages takes beside account and openid
  constructor(send) {
    this.send = send;
    this.voice = false;
    this.codes = [];
    this.input = byId("words");
    this.input.addEventListener("input", () => this.fit());
    this.input.addEventListener("keydown", (event) => this.key(event));
    byId("bar").addEventListener("submit", (event) => this.submit(event));
    byId("voice-toggle").addEventListener("click", () => this.speak(!this.voice));
    byId("more-toggle").addEventListener("click", () => this.unfold(byId("more").hidden));
    byId("menu-toggle").addEventListener("click", () => this.useMenu(byId("menu-bar").hidden));
    byId("chips").addEventListener("wheel", (event) => { byId("chips").scrollLeft += event.deltaY; }, { passive: true });
    byId("more").append(...MORE.map((each) => this.tile(each)));
    this.fit();
  }

  show(account) {
    this.codes = account.codes ?? [];
    const key = JSON.stringify([account.name, account.menu]);
    if (key === this.shown) return; // what has the focus stays
    this.shown = key;
    this.unfold(false);
    const chips = CHIPS[account.audience].map((text) =>
      el("button", { type: "button", onclick: () => this.send({ type: "text", content: text }) }, text),
    );
    byId("chips").replaceChildren(...chips);
    const buttons = account.menu?.button ?? [];
    byId("menu-toggle").hidden = buttons.length === 0;
    if (buttons.length === 0) this.useMenu(false);
    byId("menu-bar").replaceChildren(keyboard(() => this.useMenu(false)), ...buttons.map((each) => this.menu(each)));
  }

  // ---------------------------------------------------------------- typing

  submit(event) {
    event.preventDefault();
    const content = this.input.value.trim();
    if (!content) return;
    this.send({ type: this.voice ? "voice" : "text", content });
    this.input.value = "";
    this.fit();
    this.input.focus();
  }

  key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) this.submit(event);
  }

  fit() {
    this.input.style.height = "auto";
    this.input.style.height = `${Math.min(this.input.scrollHeight, 120)}px`;
    const empty = this.input.value.trim() === "";
    byId("send").hidden = empty;
    byId("more-toggle").hidden = !empty;
    if (!empty) this.unfold(false);
  }

  speak(on) {
    this.voice = on;
    const toggle = byId("voice-toggle");
    toggle.setAttribute("aria-pressed", String(on));
    toggle.setAttribute("aria-label", on ? "切换到文字输入" : "切换到语音输入");
    toggle.replaceChildren(icon(on ? "keyboard" : "voice"));
    this.input.placeholder = on ? "写下说的话，作为语音识别结果发出" : "";
    this.input.focus();
  }

  unfold(open) {
    byId("more").hidden = !open;
    byId("more-toggle").setAttribute("aria-expanded", String(open));
  }

  // No camera here: what the QR code says is pasted, the account's newest one offered.
  scan() {
    const url = window.prompt("二维码的内容（网址）", this.codes.at(-1) ?? "")?.trim();
    if (url) this.send({ type: "event", event: "SCAN", url });
  }

  tile({ label, icon: name, act, scan }) {
    const tap = () => {
      this.unfold(false);
      if (scan) this.scan();
      else this.send(act);
    };
    return el("button", { type: "button", onclick: tap }, el("span", { class: "tile" }, icon(name)), label);
  }

  // ---------------------------------------------------------------- the account's own menu

  useMenu(open) {
    byId("menu-bar").hidden = !open;
    byId("bar").hidden = open;
    if (open) this.unfold(false);
  }

  menu(button) {
    const below = button.sub_button ?? [];
    if (below.length === 0) return el("button", { type: "button", onclick: () => this.press(button) }, button.name);
    const list = el("div", { class: "menu-list", hidden: true }, below.map((each) =>
      el("button", { type: "button", onclick: () => { list.hidden = true; this.press(each); } }, each.name),
    ));
    const head = el("button", { type: "button", "aria-haspopup": "true", onclick: () => { list.hidden = !list.hidden; } }, `≡ ${button.name}`);
    return el("div", { class: "menu-group" }, list, head);
  }

  press(button) {
    if (button.type !== "view") return this.send({ type: "event", event: "CLICK", event_key: button.key });
    const url = webAddress(button.url);
    if (url) window.open(url, "_blank", "noopener");
    return this.send({ type: "event", event: "VIEW", event_key: button.url });
  }
}

function keyboard(back) {
  return el("button", { type: "button", class: "icon", "aria-label": "切换到键盘", onclick: back }, icon("keyboard"));
}
