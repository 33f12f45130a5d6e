/** The way from an item to its neighbours in the queue and back, by buttons and by keys; and the help beside them. */

import { useState } from "preact/hooks";
import { type Hotkey, Key } from "./hotkeys";
import type { ItemAnswer } from "./records";

export function useQueueNav(data: ItemAnswer<unknown>, queue: string, tell: (text: string) => void) {
  const [help, setHelp] = useState(false);
  const go = (id: string | null, none: string) => {
    if (id) location.assign(`/items/${id}${location.search}`);
    else tell(none);
  };
  const next = () => go(data.next, "This is the last item of the queue.");
  const previous = () => go(data.previous, "This is the first item of the queue.");
  const hotkeys: Hotkey[] = [
    { keys: ["n"], does: "next item", act: next },
    { keys: ["p"], does: "previous item", act: previous },
    { keys: ["q"], does: "back to the queue", act: () => location.assign(queue) },
    { keys: ["?"], does: "this help", act: () => setHelp(true) },
  ];
  const nav = (
    <nav class="buttons" aria-label="Queue">
      <span class="num">
        {data.position} of {data.queue_length}
      </span>
      <button type="button" disabled={!data.previous} onClick={previous}>
        ‹ Previous <Key name="p" />
      </button>
      <button type="button" disabled={!data.next} onClick={next}>
        Next › <Key name="n" />
      </button>
      <button type="button" onClick={() => setHelp(true)}>
        Hotkeys <Key name="?" />
      </button>
    </nav>
  );
  return { next, hotkeys, nav, help, closeHelp: () => setHelp(false) };
}
