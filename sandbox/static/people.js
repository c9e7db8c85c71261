// The left panel's people: pick one, see who they are, add one.
import { avatar, byId, el } from "./dom.js";

const KINDS = {
  imported: ["已认证", "ok"],
  history: ["有往来", "ok"],
  unbound: ["需认证", "wait"],
  stranger: ["名单外", "off"],
  patient: ["患者", "ok"],
  created: ["新建", "off"],
};
const FACTS = [
  ["姓名", "name"], ["医院", "hospital"], ["等级", "tier"], ["科室", "department"], ["职称", "title"], ["城市", "city"],
  ["手机", "phone"], ["关注领域", "interests"], ["负责代表", "rep"], ["外部编号", "external_id"],
];
const SIDES = { doctor: "医生端", patient: "患者端" };

export class People {
  // choose(follower), create(account, nickname)
  constructor({ choose, create }) {
    this.choose = choose;
    this.create = create;
    this.box = byId("people");
  }

  show(accounts, followers, current) {
    const key = JSON.stringify([accounts, followers.map(({ left, ...rest }) => rest), current.openid]);
    if (key === this.shown) return;
    this.shown = key;
    const focused = document.activeElement?.dataset.key;
    const typed = this.box.querySelector("#nickname")?.value ?? "";
    const account = accounts.find((each) => each.name === current.account);
    this.box.replaceChildren(
      this.sides(accounts, followers, account),
      el("ul", { class: "people" }, followers.filter((each) => each.account === account.name).map((each) => this.person(each, current))),
      this.adder(account, typed),
      who(current, account),
    );
    if (focused) this.box.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
  }

  sides(accounts, followers, chosen) {
    const buttons = accounts.map((account) => {
      const first = followers.find((each) => each.account === account.name);
      return el(
        "button",
        { type: "button", "data-key": account.name, "aria-pressed": String(account === chosen), onclick: () => first && this.choose(first) },
        SIDES[account.audience],
        el("small", {}, account.name),
      );
    });
    return el("div", { class: "sides", role: "group", "aria-label": "公众号" }, buttons);
  }

  person(follower, current) {
    const [label, tone] = KINDS[follower.card.kind] ?? KINDS.created;
    const place = follower.card.hospital ? `${follower.card.hospital} · ${follower.card.department}` : follower.card.hint;
    return el("li", {}, el(
      "button",
      { type: "button", "data-key": follower.openid, "aria-current": String(follower.openid === current.openid), onclick: () => this.choose(follower) },
      avatar(follower.nickname, follower.openid),
      el("span", { class: "person" }, el("strong", {}, follower.nickname), el("small", {}, place)),
      follower.subscribed ? el("span", { class: `tag ${tone}` }, label) : el("span", { class: "tag none" }, "未关注"),
    ));
  }

  adder(account, typed) {
    const input = el("input", { id: "nickname", "data-key": "nickname", maxlength: 32, placeholder: "昵称", "aria-label": "新关注者的昵称" });
    input.value = typed;
    const submit = (event) => {
      event.preventDefault();
      if (input.value.trim()) this.create(account.name, input.value.trim());
      input.value = "";
    };
    return el("form", { class: "adder", onsubmit: submit }, input, el("button", {}, "新建微信用户"));
  }
}

function who(follower, account) {
  const facts = FACTS.filter(([, name]) => follower.card[name]).map(([label, name]) => [el("dt", {}, label), el("dd", {}, follower.card[name])]);
  return el(
    "section",
    { class: "who", "aria-label": "这是谁" },
    el("h3", {}, follower.nickname),
    el("p", {}, follower.card.hint),
    el("dl", {}, facts, el("dt", {}, "OpenID"), el("dd", { class: "mono" }, follower.openid), el("dt", {}, "公众号"), el("dd", {}, `${account.title}（${mode(account.mode)}）`)),
  );
}

function mode(name) {
  return { safe: "安全模式", compatible: "兼容模式", plain: "明文模式" }[name];
}
