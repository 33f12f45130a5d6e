"use strict";
// It writes text and attributes, never markup, since names of files and traces may hold anything.
(() => {
  const find = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(find(id).textContent);
  const events = read("events");
  const classes = new Map(read("classes").map(([name, label, colour], place) => [name, { label, colour, place }]));
  const AT_ONCE = 50;
  let shown = events;
  let first = 0;

  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children.filter((child) => child !== null && child !== ""));
    return element;
  };
  const clock = (time) => {
    const tenths = Math.round(time * 10);
    const [hours, minutes, rest] = [Math.floor(tenths / 36000), Math.floor(tenths / 600) % 60, (tenths % 600) / 10];
    const padded = rest.toFixed(1).padStart(4, "0");
    return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${padded}` : `${minutes}:${padded}`;
  };
  const seconds = (text) => {
    const parts = text.trim().split(":").map(Number);
    return text.trim() === "" || parts.some(Number.isNaN) ? null : parts.reduce((sum, part) => 60 * sum + part, 0);
  };
  const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const orders = {
    p: (a, b) => b.p - a.p,
    time: (a, b) => compare(a.clock ?? "", b.clock ?? "") || a.t - b.t,
    trip: (a, b) => compare(a.trip, b.trip) || a.t - b.t,
    cls: (a, b) => classes.get(a.cls).place - classes.get(b.cls).place || b.p - a.p,
  };

  const none = (stage, words) => stage.replaceChildren(make("p", { class: "none" }, words));
  const play = (stage, address) => {
    const video = make("video", { src: address, controls: "", autoplay: "", loop: "" });
    video.addEventListener("error", () => none(stage, `The clip cannot be played; it must lie beside this page: ${address}`));
    stage.replaceChildren(video);
  };
  const strip = (stage, row) => {
    if (!row.strip) return none(stage, row.problem || "no pictures");
    const image = make("img", { loading: "lazy", decoding: "async", src: row.strip, alt: `Frames around ${clock(row.t)} of ${row.trip}` });
    // On a narrow screen the strip is wider than its place: begin at the event.
    image.addEventListener("load", () => { stage.scrollLeft = row.at * stage.scrollWidth - stage.clientWidth / 2; });
    image.addEventListener("error", () => none(stage, "The film strip is no part of this page, and does not lie beside it."));
    const around = row.clip
      ? make("button", { type: "button", class: "strip", title: "Play the clip" }, image)
      : make("a", { href: row.page, title: "Open the incident page" }, image);
    if (row.clip) around.addEventListener("click", () => play(stage, row.clip));
    return stage.replaceChildren(around);
  };
  const button = (words, act) => {
    const element = make("button", { type: "button" }, words);
    element.addEventListener("click", act);
    return element;
  };
  const item = (row) => {
    const stage = make("div", { class: "shown" });
    strip(stage, row);
    const { label, colour } = classes.get(row.cls);
    const when = [clock(row.t)];
    if (row.ft !== row.t) when.push(`${clock(row.ft)} of ${row.file}`);
    if (row.clock) when.push(row.clock.replace("T", " ").replace(/(\.\d)00/, "$1"));
    const acts = make("div", { class: "acts" }, make("a", { href: row.page }, "Incident page"), make("a", { href: row.line }, "Timeline"));
    if (row.clip) acts.append(button("Play clip", () => play(stage, row.clip)));
    if (row.marked) acts.append(button("Play annotated", () => play(stage, row.marked)));
    if (row.clip || row.marked) acts.append(button("Frames", () => strip(stage, row)));
    const head = make(
      "div",
      { class: "head" },
      make("span", { class: "badge", style: `background: ${colour}` }, label),
      make("span", { class: "chance" }, row.p.toFixed(2)),
      make("span", { class: "name" }, row.trip),
    );
    const told = make(
      "div",
      { class: "told" },
      head,
      make("div", {}, when.join(" · ")),
      make("div", { class: "faint" }, row.ps.map(([name, chance]) => `${name} ${chance.toFixed(2)}`).join(" · ")),
      row.says ? make("div", { class: "bad" }, `The model contradicts itself: its reasoning ${row.says}.`) : null,
      row.problem && row.strip ? make("div", { class: "bad" }, row.problem) : null,
      acts,
    );
    return make("li", { id: row.id }, stage, told, row.why ? make("div", { class: "why" }, row.why) : null);
  };

  const draw = () => {
    const some = shown.slice(first, first + AT_ONCE);
    find("list").replaceChildren(...some.map(item));
    find("count").textContent = shown.length === events.length ? `${events.length} events` : `${shown.length} of ${events.length} events`;
    find("page").textContent = shown.length ? `${first + 1} to ${first + some.length} of ${shown.length}` : "No event is like that.";
    find("before").disabled = first === 0;
    find("after").disabled = first + AT_ONCE >= shown.length;
  };
  const choose = () => {
    const kept = new Set([...document.querySelectorAll(".class:checked")].map((box) => box.value));
    const least = Number(find("least").value) || 0;
    const trip = find("trip").value.trim().toLowerCase();
    const [from, to] = [seconds(find("from").value), seconds(find("to").value)];
    const [since, until] = [find("since")?.value ?? "", find("until")?.value ?? ""];
    const isWanted = (row) =>
      kept.has(row.cls) &&
      row.p >= least &&
      row.trip.toLowerCase().includes(trip) &&
      (from === null || row.t >= from) &&
      (to === null || row.t <= to) &&
      (since === "" || (row.clock !== null && row.clock >= since)) &&
      (until === "" || (row.clock !== null && row.clock <= until));
    shown = events.filter(isWanted).sort(orders[find("order").value]);
    if (find("turn").getAttribute("aria-pressed") === "true") shown.reverse();
    first = 0;
    draw();
  };
  const leaf = (step) => {
    first = Math.max(0, first + step);
    draw();
    find("filters").scrollIntoView();
  };

  find("filters").addEventListener("input", choose);
  find("filters").addEventListener("submit", (event) => event.preventDefault());
  find("turn").addEventListener("click", (event) => {
    const button = event.currentTarget;
    button.setAttribute("aria-pressed", button.getAttribute("aria-pressed") !== "true");
    choose();
  });
  find("before").addEventListener("click", () => leaf(-AT_ONCE));
  find("after").addEventListener("click", () => leaf(AT_ONCE));
  choose();
  const wanted = events.findIndex((row) => row.id === decodeURIComponent(location.hash.slice(1)));
  if (wanted >= 0) {
    first = wanted - (wanted % AT_ONCE);
    draw();
    find(events[wanted].id).scrollIntoView();
  }
})();
