// The left panel's simulations: network, repeats, following, time, and faults of the platform's API.
import { get, post, remove } from "./api.js";
import { byId, el } from "./dom.js";

const SPEEDS = [["0", "正常"], ["1", "慢（1 秒）"], ["3", "很慢（3 秒）"], ["6", "几乎不通（6 秒）"]];
const APIS = [
  ["message/custom/send", "客服消息"], ["message/template/send", "模板消息"], ["message/subscribe/bizsend", "订阅通知"],
  ["message/custom/typing", "正在输入"], ["stable_token", "取 access_token"], ["*", "所有接口"],
];
const HARMS = [
  ["errcode:45015", "45015 超出 48 小时窗口"], ["errcode:45047", "45047 条数用完"], ["errcode:40001", "40001 token 无效"],
  ["errcode:43004", "43004 未关注"], ["errcode:45009", "45009 当日额度用完"], ["errcode:45011", "45011 每分钟限频"],
  ["errcode:48001", "48001 无接口权限"], ["errcode:-1", "-1 系统繁忙"], ["html", "200，但是一页 HTML"],
  ["hang", "一直不应答"], ["reset", "连接被重置"], ["accept_then_reset", "已送达，但连接被重置"], ["slow", "3 秒后才处理"],
];
const HOUR = 3600;

export class Lab {
  // act(act): as the chosen user; changed(): something of the double changed; say(text)
  constructor({ act, changed, say }) {
    this.act = act;
    this.changed = changed;
    this.say = say;
    this.box = byId("lab");
    this.choice = { api: APIS[0][0], harm: HARMS[0][0], times: "1" };
  }

  show(follower, account, faults, clock) {
    this.follower = follower;
    this.faults = faults;
    this.clock = clock;
    const key = JSON.stringify([follower, account, faults, clock.offset_seconds]);
    if (key === this.shown) return;
    this.shown = key;
    const focused = document.activeElement?.id;
    this.box.replaceChildren(this.network(), this.following(account), this.time(), this.injection());
    if (focused && this.box.querySelector(`#${CSS.escape(focused)}`)) byId(focused).focus();
    const active = faults.api.length + (faults.webhook.copies > 1) + (faults.webhook.drop_responses > 0) + (faults.network.delay_seconds > 0) + (clock.offset_seconds !== 0);
    const badge = byId("lab-badge");
    badge.hidden = active === 0;
    badge.textContent = active;
  }

  async change(work) {
    try {
      await work();
    } catch (error) {
      this.say(`没有生效：${error.message}`);
    }
    await this.changed();
  }

  // ---------------------------------------------------------------- network

  network() {
    const { webhook, network } = this.faults;
    const speed = select("speed", SPEEDS, String(network.delay_seconds), (value) =>
      this.change(() => post("control/faults", { network: { delay_seconds: Number(value) } })));
    const copies = el("input", { type: "checkbox", id: "copies", onchange: () =>
      this.change(() => post("control/faults", { webhook: { ...webhook, copies: copies.checked ? 3 : 1 } })) });
    copies.checked = webhook.copies > 1;
    const pending = webhook.drop_responses;
    const drop = el("button", { type: "button", id: "drop", onclick: () =>
      this.change(() => post("control/faults", { webhook: { ...webhook, drop_responses: pending + 1 } })) },
      pending ? `下一次应答会丢失（${pending}）` : "丢掉下一次应答");
    return group("网络与投递",
      field("网络", speed),
      el("label", { class: "check" }, copies, "重复投递：同一条消息同时送三次"),
      el("div", { class: "field" }, el("span", {}, "超时重试"), drop),
    );
  }

  // ---------------------------------------------------------------- following, notices

  following(account) {
    const { follower } = this;
    const toggle = el("button", { type: "button", id: "follow", onclick: () =>
      this.act({ type: "event", event: follower.subscribed ? "unsubscribe" : "subscribe" }) },
      follower.subscribed ? "取消关注" : "关注");
    const blocked = el("input", { type: "checkbox", id: "blocked", onchange: () => this.change(() =>
      post("api/block", { account: follower.account, openid: follower.openid, blocked: blocked.checked })) });
    blocked.checked = follower.blocked;
    const agree = account.templates.length === 0 ? null : el("button", { type: "button", id: "agree", onclick: () => this.change(async () => {
      for (const template of account.templates) {
        await post("api/subscriptions", { account: follower.account, openid: follower.openid, template_id: template });
      }
      this.say("已同意：每个模板可再收一次订阅通知");
    }) }, "同意接收一次");
    return group(`关注与通知 · ${follower.nickname}`,
      el("div", { class: "field" }, el("span", {}, follower.subscribed ? "已关注" : "未关注"), toggle),
      el("p", { class: "hint" }, `现在还能主动发 ${follower.left} 条客服消息`),
      el("label", { class: "check" }, blocked, "拒收模板消息"),
      agree ? el("div", { class: "field" }, el("span", {}, "订阅通知"), agree) : null,
    );
  }

  // ---------------------------------------------------------------- time

  time() {
    const jump = (hours) => this.change(() => post("control/clock", { offset_seconds: hours === 0 ? 0 : this.clock.offset_seconds + hours * HOUR }));
    const buttons = [[1, "+1 小时"], [24, "+1 天"], [49, "+49 小时"], [0, "回到现在"]].map(([hours, label]) =>
      el("button", { type: "button", id: `jump-${hours}`, onclick: () => jump(hours) }, label));
    const ahead = Math.round(this.clock.offset_seconds / HOUR);
    return group("时间快进",
      el("p", { class: "hint" }, `平台时钟${ahead ? `比现在快 ${ahead} 小时` : "与现在一致"}。只影响平台的 48 小时窗口和去重，不影响产品自己的时钟。`),
      el("div", { class: "buttons" }, buttons),
    );
  }

  // ---------------------------------------------------------------- faults of the API

  injection() {
    const remember = (name) => (value) => { this.choice[name] = value; };
    const add = () => this.change(() => post("control/faults", { api: [rule(this.choice)] }));
    const active = this.faults.api.map((each) => el("li", {}, describe(each)));
    return group("平台接口故障",
      field("接口", select("fault-api", APIS, this.choice.api, remember("api"))),
      field("故障", select("fault-harm", HARMS, this.choice.harm, remember("harm"))),
      field("次数", select("fault-times", [["1", "1 次"], ["3", "3 次"], ["", "一直"]], this.choice.times, remember("times"))),
      el("div", { class: "buttons" },
        el("button", { type: "button", id: "fault-add", class: "primary", onclick: add }, "注入故障"),
        el("button", { type: "button", id: "fault-clear", onclick: () => this.change(() => remove("control/faults")) }, "清除全部模拟")),
      active.length ? el("ul", { class: "active" }, active) : el("p", { class: "hint" }, "目前没有注入故障"),
      el("button", { type: "button", id: "verify", class: "link", onclick: () => this.verify() }, "校验服务器地址（URL 验证）"),
    );
  }

  verify() {
    return this.change(async () => {
      const { verified } = await post("control/verify", { account: this.follower.account });
      this.say(verified ? "URL 验证通过" : "URL 验证没有通过：网关没有正确返回 echostr");
    });
  }

  static async read() {
    return Promise.all([get("control/faults"), get("control/clock")]);
  }
}

function rule({ api, harm, times }) {
  const [kind, errcode] = harm.split(":");
  const made = { api, kind, times: times ? Number(times) : null };
  if (errcode) made.errcode = Number(errcode);
  if (kind === "slow") made.seconds = 3;
  return made;
}

function describe(fault) {
  const api = APIS.find(([value]) => value === fault.api)?.[1] ?? fault.api;
  const harm = HARMS.find(([value]) => value === (fault.kind === "errcode" ? `errcode:${fault.errcode}` : fault.kind))?.[1] ?? `${fault.kind} ${fault.errcode}`;
  return `${api}：${harm}（${fault.times === null ? "一直" : `还有 ${fault.times} 次`}）`;
}

function group(title, ...children) {
  return el("fieldset", {}, el("legend", {}, title), ...children);
}

function field(label, control) {
  return el("label", { class: "field" }, el("span", {}, label), control);
}

function select(id, options, value, changed) {
  const node = el("select", { id, onchange: () => changed(node.value) }, options.map(([each, label]) => el("option", { value: each }, label)));
  node.value = value;
  return node;
}
