// What the pages do beyond htmx: clocks that run, errors that are said, words that are not swept away.
(() => {
  "use strict";
  const body = document.body;
  // Business time is the server's: it may be ahead of this machine's.
  const ahead = Date.parse(body.dataset.now) - Date.now();

  function span(milliseconds) {
    const all = Math.max(Math.floor(milliseconds / 60000), 0);
    const days = Math.floor(all / 1440), hours = Math.floor(all / 60) % 24, minutes = all % 60;
    if (days) return hours ? `${days}天${hours}小时` : `${days}天`;
    if (hours) return minutes ? `${hours}小时${minutes}分` : `${hours}小时`;
    return `${minutes}分钟`;
  }

  function tick() {
    for (const clock of document.querySelectorAll(".clock[data-since]")) {
      const waited = span(Date.now() + ahead - Date.parse(clock.dataset.since));
      const text = `${clock.closest(".chats") ? "等人工" : "已等"} ${waited}`;
      if (clock.textContent !== text) clock.textContent = text;
    }
    for (const clock of document.querySelectorAll(".clock[data-due]")) {
      const left = Date.parse(clock.dataset.due) - Date.now() - ahead;
      const text = left < 0 ? `已逾期 ${span(-left)}` : `还有 ${span(left)}`;
      if (clock.textContent !== text) clock.textContent = text;
      clock.classList.toggle("over", left < 0);
    }
  }
  setInterval(tick, 5000);

  // A conversation is read from its end.
  function toEnd() {
    const session = document.querySelector(".chatting .session");
    if (session) (document.getElementById("reply") || session).scrollIntoView({ block: "end" });
  }
  if (!location.search.includes("before=") && !location.hash) toEnd();

  // The policy allows no inline script.
  for (const button of document.querySelectorAll("[data-print]")) button.addEventListener("click", () => print());

  body.addEventListener("htmx:beforeSwap", (event) => {
    const target = event.detail.target, writing = document.activeElement;
    // Somebody is writing in what would be replaced: it stays until the next change.
    if (target.id === "part" && target.contains(writing) && writing.value && event.detail.requestConfig.verb === "get") {
      event.detail.shouldSwap = false;
    }
  });
  body.addEventListener("htmx:afterSwap", (event) => {
    tick();
    if (event.detail.target.id === "part" && body.classList.contains("chatting")) toEnd();
  });

  function say(text) {
    const line = document.getElementById("say");
    line.textContent = text;
    setTimeout(() => { if (line.textContent === text) line.textContent = ""; }, 8000);
  }
  body.addEventListener("htmx:responseError", (event) => say(event.detail.xhr.responseText.slice(0, 200)));
  body.addEventListener("htmx:sendError", () => say("网络不通，请稍后再试。"));

  // Ctrl+Enter sends what is written.
  const text = document.getElementById("text");
  if (text) {
    text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) text.form.requestSubmit();
    });
    text.form.addEventListener("submit", () => { text.form.querySelector("button.main").disabled = true; });
  }
})();
