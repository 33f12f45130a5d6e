/** The queue: walking through its rows by keys, and accepting a page of film strips at once. */

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { post } from "./api";
import { Help, type Hotkey, Key, useHotkeys } from "./hotkeys";

interface Outcome {
  id: string;
  outcome: "confirmed" | "undone" | "conflict" | "refused" | "unknown";
  etag: string;
  error: string;
}

const isDone = ({ outcome }: Outcome) => outcome === "confirmed" || outcome === "undone";
const opens = () => [...document.querySelectorAll<HTMLAnchorElement>("#rows a.open")];
const tiles = () => [...document.querySelectorAll<HTMLLIElement>("#rows li[data-item]")];
const leftOut = (tile: Element) => tile.querySelector<HTMLInputElement>("input[type=checkbox]")!;
/** What a key accepts: all of the page that nobody has decided on and that is not left out. */
const open = () => tiles().filter((tile) => tile.dataset.reviewed === "no" && !leftOut(tile).checked);

export function Queue({ isGrid }: { isGrid: boolean }) {
  const [status, setStatus] = useState("");
  const [help, setHelp] = useState(false);
  const [accepted, setAccepted] = useState<Outcome[]>([]);
  const [count, setCount] = useState(isGrid ? open().length : 0);
  const busy = useRef(false);

  const walk = (by: number) => {
    const links = opens();
    const at = links.findIndex((link) => link.closest("[data-item]")?.contains(document.activeElement));
    const to = links[at < 0 ? (by > 0 ? 0 : links.length - 1) : at + by];
    to?.focus();
  };
  const mark = (outcomes: Outcome[], reviewed: "yes" | "no") => {
    for (const { id, etag } of outcomes.filter(isDone)) {
      const tile = tiles().find((each) => each.dataset.item === id);
      if (!tile) continue;
      tile.dataset.reviewed = reviewed;
      tile.dataset.etag = etag;
      tile.querySelector(".state")!.textContent = reviewed === "yes" ? "✓ confirmed now" : "open";
    }
    setCount(open().length);
  };
  const told = (verb: string, outcomes: Outcome[]) => {
    const failed = outcomes.filter((each) => !isDone(each));
    const why = [...new Set(failed.map((each) => each.error))].join(" ");
    const failures = failed.length ? ` ${failed.length} not: ${why}` : "";
    setStatus(`${outcomes.length - failed.length} ${verb}.${failures}`);
  };
  const once = async (act: () => Promise<void>) => {
    if (busy.current) return;
    busy.current = true;
    await act().catch((error: Error) => setStatus(error.message));
    busy.current = false;
  };
  const accept = () =>
    once(async () => {
      const items = open().map(({ dataset }) => ({ id: dataset.item!, etag: dataset.etag! }));
      if (!items.length) return setStatus("Everything on this page has a decision, or is left out.");
      const { body } = await post<{ outcomes: Outcome[] }>("/api/accept", { items, reason: "" });
      mark(body.outcomes, "yes");
      setAccepted(body.outcomes.filter(isDone));
      told("confirmed", body.outcomes);
    });
  const undo = () =>
    once(async () => {
      const outcomes: Outcome[] = [];
      for (const { id, etag } of accepted) {
        const outcome = post(`/api/items/${id}/undo`, {}, etag).then(
          (reply): Outcome => ({ id, outcome: "undone", etag: reply.etag, error: "" }),
          (error: Error): Outcome => ({ id, outcome: "refused", etag, error: error.message }),
        );
        outcomes.push(await outcome);
      }
      mark(outcomes, "no");
      setAccepted(outcomes.filter((each) => !isDone(each)));
      told("undone", outcomes);
    });
  const leave = () => {
    const box = document.activeElement?.closest("li[data-item]");
    if (!box) return;
    leftOut(box).checked = !leftOut(box).checked;
    setCount(open().length);
  };
  const follow = (rel: string, none: string) => {
    const link = document.querySelector<HTMLAnchorElement>(`.pager a[rel=${rel}]`);
    if (link) location.assign(link.href);
    else setStatus(none);
  };

  const other = document.querySelector<HTMLAnchorElement>(".views a:not([aria-current])");
  const hotkeys: Hotkey[] = [
    { keys: ["j", "k"], does: "next, previous item of the page; Enter opens it", act: (key) => walk(key === "j" ? 1 : -1) },
    { keys: ["n"], does: "next page", act: () => follow("next", "This is the last page.") },
    { keys: ["p"], does: "previous page", act: () => follow("prev", "This is the first page.") },
    ...(isGrid
      ? [
          { keys: ["A"], does: "confirm all of this page that are open and not left out", act: () => void accept() },
          { keys: ["x"], does: "leave the item out, or take it in again", act: leave },
          { keys: ["u"], does: "undo what A confirmed", act: () => void undo() },
        ]
      : []),
    ...(other
      ? [{ keys: ["v"], does: "list or film strips", act: () => location.assign(other.href) }]
      : []),
    { keys: ["f"], does: "to the filters", act: () => document.querySelector<HTMLElement>("#filters select")?.focus() },
    { keys: ["?"], does: "this help", act: () => setHelp(true) },
  ];
  useHotkeys(hotkeys);
  useLayoutEffect(() => {
    const counted = () => setCount(open().length);
    if (isGrid) document.getElementById("rows")!.addEventListener("change", counted);
    // Fields that are empty say nothing, and stay out of the address.
    document.getElementById("filters")!.addEventListener("formdata", (event) => {
      for (const [name, value] of [...event.formData]) if (value === "") event.formData.delete(name);
    });
  }, []);

  return (
    <>
      {isGrid && (
        <div class="buttons">
          <button type="button" class="main" onClick={() => void accept()} disabled={!count}>
            Confirm the {count} open items of this page <Key name="A" />
          </button>
          <button type="button" onClick={() => void undo()} disabled={!accepted.length}>
            Undo <Key name="u" />
          </button>
        </div>
      )}
      <p class="status" role="status">
        {status}
      </p>
      <button type="button" onClick={() => setHelp(true)}>
        Hotkeys <Key name="?" />
      </button>
      <Help hotkeys={hotkeys} open={help} close={() => setHelp(false)} />
    </>
  );
}
