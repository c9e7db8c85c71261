// Counts that the page was seen, and for how long it stayed in sight. Nothing else is told to anybody.
const base = document.querySelector("main").dataset.base;
const EVERY = 10_000; // milliseconds between two reports

let opened = 0; // the server's number of this opening
let seen = 0; // milliseconds in sight, up to `since`
let since = null; // when it last came into sight; null: it is not
let told = 0;

const visible = () => document.visibilityState === "visible";
const total = () => seen + (since === null ? 0 : performance.now() - since);

async function begin() {
  if (opened || !visible()) return;
  opened = -1; // under way
  try {
    const answer = await fetch(`${base}/open`, { method: "POST", credentials: "same-origin" });
    opened = answer.ok ? (await answer.json()).open : 0;
  } catch {
    opened = 0;
  }
  if (opened > 0) document.getElementById("file").search = `?open=${opened}`;
}

function report() {
  const seconds = Math.floor(total() / 1000);
  if (opened <= 0 || seconds <= told) return;
  told = seconds;
  navigator.sendBeacon(`${base}/read`, JSON.stringify({ open: opened, seconds }));
}

function look() {
  if (visible()) {
    since ??= performance.now();
    begin();
  } else if (since !== null) {
    seen = total();
    since = null;
    report();
  }
}

document.addEventListener("visibilitychange", look);
window.addEventListener("pagehide", report);
setInterval(() => {
  begin();
  report();
}, EVERY);
look();
