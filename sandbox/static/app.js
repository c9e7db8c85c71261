// Puts the page together: which account and person is shown, and what follows from what happens.
import { get, post, watch } from "./api.js";
import { Chat } from "./chat.js";
import { Composer } from "./composer.js";
import { avatar, byId, el } from "./dom.js";
import { Lab } from "./lab.js";
import { People } from "./people.js";
import { Trace } from "./trace.js";

const page = { accounts: [], followers: [], current: null, account: null, chat: null, epoch: 0, entries: 0, leave: () => {} };
let noticeTimer = 0;
let typingTimer = 0;

const people = new People({ choose, create });
const lab = new Lab({ act, changed: reload, say });
const trace = new Trace({ latest: () => page.chat?.latest(), toggled: () => page.chat?.toEnd() });
const composer = new Composer(act);

// ------------------------------------------------------------------ state

async function reload() {
  const [accounts, followers, [faults, clock]] = await Promise.all([get("api/accounts"), get("api/followers"), Lab.read()]);
  page.accounts = accounts;
  page.followers = followers;
  const [account, openid] = wanted();
  page.current = followers.find((each) => each.account === account && each.openid === openid) ?? followers[0];
  page.account = accounts.find((each) => each.name === page.current.account);
  people.show(accounts, followers, page.current);
  lab.show(page.current, page.account, faults, clock);
  composer.show(page.account);
  head();
}

function wanted() {
  return decodeURIComponent(location.hash.slice(1)).split("/");
}

function choose(follower) {
  drawer(false);
  location.hash = `${encodeURIComponent(follower.account)}/${encodeURIComponent(follower.openid)}`;
}

async function enter() {
  const entry = ++page.entries;
  page.leave();
  trace.forget();
  await reload();
  if (entry !== page.entries) return; // somebody else was chosen meanwhile
  const { account, openid, nickname } = page.current;
  const pick = (id, content) => act(id ? { type: "menu", id, content } : { type: "text", content });
  const chat = new Chat({ title: page.account.title, nickname, openid, pick, inspect: (item) => trace.inspect(item) });
  page.chat = chat;
  typing(0);
  page.leave = watch(account, openid, {
    past: (items) => chat.past(items),
    epoch: (epoch) => {
      if (page.epoch !== epoch) chat.clear();
      page.epoch = epoch;
      soon();
    },
    item: ({ item }) => {
      if (item.from === "account") typing(0);
      chat.put(item);
      trace.refresh(item.id);
      soon();
    },
    typing: ({ seconds }) => typing(seconds),
    trace: ({ item }) => trace.refresh(item),
    state: () => soon(),
    online: (up) => notice(up ? "" : "沙箱没有应答，正在重连…"),
  });
}

// Several events in a row need only one look at the state.
let pending = 0;
function soon() {
  if (!pending) pending = setTimeout(() => { pending = 0; reload().catch(() => {}); }, 150);
}

// ------------------------------------------------------------------ doing

async function act(what) {
  const { account, openid } = page.current;
  try {
    await post("api/messages", { account, openid, ...what });
  } catch (error) {
    say(`没有发出：${error.message}`);
  }
}

async function create(account, nickname) {
  try {
    const { openid } = await post("api/followers", { account, nickname, subscribed: false });
    await reload();
    choose({ account, openid });
  } catch (error) {
    say(`没有建成：${error.message}`);
  }
}

// ------------------------------------------------------------------ the phone's frame

function head() {
  if (!typingTimer) byId("title").textContent = page.account.title;
  byId("subtitle").textContent = `${page.current.nickname} 的手机`;
  const { subscribed } = page.current;
  const dock = byId("dock"); // hidden at first: until somebody is chosen there is nobody to speak for
  if (dock.hidden === subscribed) {
    dock.hidden = !subscribed;
    composer.fit(); // what is hidden has no height
  }
  const profile = byId("profile");
  profile.hidden = subscribed;
  byId("chat").hidden = !subscribed;
  if (subscribed) return;
  profile.replaceChildren(
    avatar(page.account.title, page.account.title),
    el("h3", {}, page.account.title),
    el("p", {}, page.account.audience === "doctor" ? "面向医务人员的产品信息服务" : "用药提醒与随访服务", el("br"), "由人工智能提供，不是真人"),
    el("button", { class: "follow", onclick: () => act({ type: "event", event: "subscribe" }) }, "关注公众号"),
  );
}

function typing(seconds) {
  clearTimeout(typingTimer);
  typingTimer = seconds ? setTimeout(() => typing(0), seconds * 1000) : 0;
  byId("title").textContent = seconds ? "对方正在输入…" : page.account.title;
}

function notice(text) {
  const box = byId("notice");
  box.hidden = !text;
  box.textContent = text;
}

function say(text) {
  clearTimeout(noticeTimer);
  notice(text);
  noticeTimer = setTimeout(() => notice(""), 5000);
}

// ------------------------------------------------------------------ the drawer and the tabs

function drawer(open) {
  document.body.classList.toggle("drawer", open);
  byId("shade").hidden = !open;
  byId("side-open").setAttribute("aria-expanded", String(open));
  if (open) byId("side-close").focus();
}

function tab(name) {
  for (const each of ["people", "lab"]) {
    const chosen = each === name;
    const button = byId(`tab-${each}`);
    button.setAttribute("aria-selected", String(chosen));
    button.tabIndex = chosen ? 0 : -1;
    byId(each).hidden = !chosen;
  }
}

byId("side-open").addEventListener("click", () => drawer(true));
byId("side-close").addEventListener("click", () => drawer(false));
byId("shade").addEventListener("click", () => drawer(false));
for (const [name, other] of [["people", "lab"], ["lab", "people"]]) {
  const button = byId(`tab-${name}`);
  button.addEventListener("click", () => tab(name));
  button.addEventListener("keydown", (event) => {
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return;
    tab(other);
    byId(`tab-${other}`).focus();
  });
}
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  drawer(false);
  if (!byId("trace").hidden) trace.open(false);
});
window.addEventListener("hashchange", () => enter().catch((error) => say(error.message)));
enter().catch((error) => say(`打不开沙箱：${error.message}`));
