"use strict";
// Everything shown is in the markup already; this only turns pages and keeps decisions. It writes text and
// attributes, never markup, since sample ids and notes may hold anything.
(() => {
  const review = document.body.dataset.review;
  const articles = [...document.querySelectorAll("article.sample")];
  const ids = articles.map((article) => article.dataset.sample);
  const goes = [...document.querySelectorAll(".go")];
  const reasons = [...document.querySelectorAll(".reason")];
  const find = (id) => document.getElementById(id);
  const [reviewer, note, warning] = [find("reviewer"), find("note"), find("warning")];
  const blank = () => ({ decision: "", reason: "", note: "", time: "" });

  let said = new Map(); // sample id -> {decision, reason, note, time}
  let steps = []; // for undo: where, and what was said there before
  let at = 0;
  let saved = true;
  let kept = true; // whether the browser keeps what is said

  const name = () => reviewer.value.trim();
  const key = (of) => `autodrive review ${review} ${of}`;
  const current = () => said.get(ids[at]) ?? blank();
  const judged = () => ids.filter((id) => said.get(id)?.decision);

  function keep() {
    try {
      localStorage.setItem(key("last reviewer"), name());
      localStorage.setItem(key("by " + name()), JSON.stringify({ saved, said: [...said] }));
    } catch {
      kept = false;
      warn("This browser keeps nothing for this page: save the decisions before you close it.");
    }
  }

  function load() {
    said = new Map();
    steps = [];
    saved = true;
    try {
      const found = JSON.parse(localStorage.getItem(key("by " + name())) ?? "null");
      if (found) {
        said = new Map(found.said.filter(([id]) => ids.includes(id)));
        saved = found.saved;
      }
    } catch {
      warn("What this browser kept of earlier decisions cannot be read; judge anew, or go on from a saved file.");
    }
  }

  function warn(text) {
    warning.textContent = text;
    warning.hidden = !text;
  }

  function tell(text) {
    find("told").textContent = text;
  }

  function show(index, focus = true) {
    at = index;
    articles.forEach((article, number) => (article.hidden = number !== at));
    draw();
    window.scrollTo(0, 0);
    if (focus) articles[at].querySelector("h2").focus({ preventScroll: true });
  }

  function draw() {
    const { decision, reason, note: words } = current();
    const done = judged().length;
    find("accept").setAttribute("aria-pressed", decision === "accept");
    find("reject").setAttribute("aria-pressed", decision === "reject");
    reasons.forEach((button) => button.setAttribute("aria-pressed", button.dataset.reason === reason));
    find("more").hidden = decision !== "reject";
    if (note.value !== words) note.value = words;
    note.readOnly = !name();
    find("before").disabled = at === 0;
    find("after").disabled = at === ids.length - 1;
    find("undo").disabled = !steps.length;
    find("save").disabled = !done;
    find("save").classList.toggle("due", !saved);
    find("progress").value = done;
    find("count").textContent = `${done} of ${ids.length} judged${done && saved ? ", saved" : ""}`;
    goes.forEach((button, number) => {
      const word = { accept: "accepted", reject: "rejected" }[said.get(ids[number])?.decision] ?? "not judged";
      button.className = "go " + word.replace(" ", "-");
      button.setAttribute("aria-label", `Sample ${number + 1}, ${word}`);
      if (number === at) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    });
    document.body.style.paddingBottom = `${find("judge").offsetHeight + 16}px`;
  }

  function put(change) {
    said.set(ids[at], { ...current(), ...change, time: new Date().toISOString() });
    saved = false;
    keep();
    draw();
  }

  function named() {
    if (name()) return true;
    warn("Say first who you are: decisions are kept under your name.");
    reviewer.focus();
    return false;
  }

  function judge(decision) {
    if (!named()) return;
    steps.push({ index: at, before: said.get(ids[at]) });
    put(decision === "accept" ? { decision, reason: "" } : { decision });
    if (decision === "reject") {
      tell(`Sample ${at + 1} rejected. Choose a reason by its number, or go on with the right arrow.`);
      return;
    }
    const was = at;
    const open = (index) => !said.get(ids[index])?.decision;
    const order = [...ids.keys()].map((step) => (at + 1 + step) % ids.length);
    const next = order.find(open);
    if (next !== undefined) show(next);
    tell(`Sample ${was + 1} accepted. ` + (next === undefined ? "All are judged: save the decisions." : `Sample ${at + 1}.`));
  }

  function choose(reason) {
    put({ reason: current().reason === reason ? "" : reason });
    const chosen = reasons.find((button) => button.dataset.reason === current().reason);
    tell(chosen ? `Reason: ${chosen.textContent}` : "No reason.");
  }

  function undo() {
    const step = steps.pop();
    if (!step) return;
    if (step.before) said.set(ids[step.index], step.before);
    else said.delete(ids[step.index]);
    saved = false;
    keep();
    show(step.index);
    tell(`Undone: sample ${step.index + 1} is ${current().decision ? current().decision + "ed" : "not judged"}.`);
  }

  function move(by) {
    const index = at + by;
    if (index >= 0 && index < ids.length) {
      show(index);
      tell(`Sample ${index + 1}.`);
    }
  }

  function save() {
    if (!named() || !judged().length) return;
    const lines = judged().map((id) => {
      const { decision, reason, note: words, time } = said.get(id);
      const line = { review_id: review, sample_id: id, decision, reason, note: words.trim(), reviewer: name(), time };
      return JSON.stringify(line) + "\n";
    });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob(lines, { type: "application/x-ndjson" }));
    link.download = `decisions-${review}-${name().match(/[\p{L}\p{N}]+/gu)?.join("-") ?? "unnamed"}.jsonl`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    saved = true;
    keep();
    draw();
    tell(`${lines.length} decisions are saved in ${link.download}.`);
  }

  function light(article, number, lit) {
    for (const part of article.querySelectorAll(`[data-frame="${number}"]`)) part.classList.toggle("lit", lit);
  }

  for (const article of articles) {
    for (const part of article.querySelectorAll("[data-frame]")) {
      const number = part.dataset.frame;
      for (const event of ["pointerenter", "focusin"]) part.addEventListener(event, () => light(article, number, true));
      for (const event of ["pointerleave", "focusout"]) part.addEventListener(event, () => light(article, number, false));
    }
    for (const button of article.querySelectorAll(".zoom")) {
      button.addEventListener("click", () => {
        const large = button.parentElement.classList.toggle("large");
        button.setAttribute("aria-expanded", large);
      });
    }
    for (const cite of article.querySelectorAll("a.cite")) {
      cite.addEventListener("click", (event) => {
        event.preventDefault();
        const was = cite.classList.contains("held");
        article.querySelectorAll(".held").forEach((part) => part.classList.remove("held"));
        if (was) return;
        const parts = article.querySelectorAll(`[data-frame="${cite.dataset.frame}"]`);
        parts.forEach((part) => part.classList.add("held"));
        article.querySelector(`figure[data-frame="${cite.dataset.frame}"]`).scrollIntoView({ block: "nearest" });
      });
    }
  }

  find("accept").addEventListener("click", () => judge("accept"));
  find("reject").addEventListener("click", () => judge("reject"));
  find("undo").addEventListener("click", undo);
  find("before").addEventListener("click", () => move(-1));
  find("after").addEventListener("click", () => move(1));
  find("save").addEventListener("click", save);
  goes.forEach((button, number) => button.addEventListener("click", () => show(number)));
  reasons.forEach((button) => button.addEventListener("click", () => choose(button.dataset.reason)));
  note.addEventListener("input", () => put({ note: note.value }));
  reviewer.addEventListener("input", () => warn(""));
  reviewer.addEventListener("change", () => {
    load();
    keep();
    show(at, false);
  });

  const keys = {
    a: () => judge("accept"),
    r: () => judge("reject"),
    u: undo,
    s: save,
    n: () => named() && note.focus(),
    ArrowLeft: () => move(-1),
    ArrowRight: () => move(1),
  };
  document.addEventListener("keydown", (event) => {
    const writing = event.target.matches("input, textarea");
    if (event.key === "Escape" || (event.key === "Enter" && event.target === reviewer)) event.target.blur();
    if (writing || event.ctrlKey || event.metaKey || event.altKey) return;
    const reason = current().decision === "reject" && /^[1-9]$/.test(event.key) ? reasons[event.key - 1] : undefined;
    const act = reason ? () => choose(reason.dataset.reason) : Object.hasOwn(keys, event.key) ? keys[event.key] : null;
    if (!act) return;
    event.preventDefault();
    act();
  });
  window.addEventListener("beforeunload", (event) => {
    if (!kept && !saved) event.preventDefault();
  });

  try {
    reviewer.value = localStorage.getItem(key("last reviewer")) ?? "";
  } catch {
    kept = false;
  }
  find("judge").hidden = false;
  load();
  const open = ids.findIndex((id) => !said.get(id)?.decision);
  show(Math.max(open, 0), false);
  window.addEventListener("resize", draw);
})();
