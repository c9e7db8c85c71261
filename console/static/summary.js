// 拜访纪要: one sentence is chosen, the messages that show it are marked; all of it by keyboard.
(() => {
  "use strict";
  const steps = [...document.querySelectorAll(".step")];
  const approve = document.getElementById("approve");
  let chosen = -1;

  function choose(at) {
    const step = steps[at];
    if (!step) return;
    chosen = at;
    step.focus();
    if (!step.classList.contains("sentence")) return;
    for (const other of steps) other.setAttribute("aria-pressed", String(other === step));
    for (const message of document.querySelectorAll(".msg.shown")) message.classList.remove("shown");
    const showing = step.dataset.shows.split(" ").filter(Boolean).map((id) => document.getElementById(id)).filter(Boolean);
    for (const message of showing) message.classList.add("shown");
    // On a phone the conversation stands below: it stays where it is, and the sentence in view.
    const box = document.querySelector(".said");
    if (showing.length && box && box.scrollHeight > box.clientHeight) box.scrollTop = showing[0].offsetTop - box.offsetTop - 8;
  }
  steps.forEach((step, at) => {
    if (step.classList.contains("sentence")) step.addEventListener("click", () => choose(at));
    else step.addEventListener("focus", () => { chosen = at; });
  });

  for (const see of document.querySelectorAll(".sentences .see")) {
    see.addEventListener("click", () => choose(steps.indexOf(see.closest("li").querySelector(".step"))));
  }

  function write(open) {
    const box = steps[chosen] && steps[chosen].closest("li").querySelector(".writing");
    if (!box) return;
    box.open = open;
    if (open) box.querySelector("textarea").focus(); else steps[chosen].focus();
  }
  for (const leave of document.querySelectorAll(".writing .leave")) {
    leave.addEventListener("click", () => {
      const box = leave.closest(".writing");
      box.querySelector("form").reset();
      box.open = false;
      box.querySelector("summary").focus();
    });
  }

  document.addEventListener("keydown", (event) => {
    const writing = event.target.closest("textarea, input");
    if (writing) {
      const box = writing.closest(".writing");
      if (event.key === "Escape" && box) { box.open = false; box.querySelector("summary").focus(); }
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && writing.form) writing.form.requestSubmit();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "j") choose(Math.min(chosen + 1, steps.length - 1));
    else if (event.key === "k") choose(Math.max(chosen - 1, 0));
    else if (event.key === "e") { event.preventDefault(); write(true); }
    // A key that is held down approves nothing that was not seen.
    else if (event.key === "a" && approve && !event.repeat) approve.requestSubmit();
  });
  if (approve) approve.addEventListener("submit", () => { approve.querySelector("button").disabled = true; });

  // What was refused stays before the eyes; else the sentence that was changed, or the first one.
  if (document.body.classList.contains("reviewing") && !document.querySelector(".writing[open]")) {
    const part = new URLSearchParams(location.search).get("at");
    const at = part ? steps.findIndex((step) => step.dataset.part === part) : 0;
    choose(Math.max(at, 0));
  }
})();
