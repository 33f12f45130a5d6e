/** Hotkeys: one table that the listener, the help and the labels of buttons read. */

import { useEffect, useLayoutEffect, useRef } from "preact/hooks";

export interface Hotkey {
  keys: string[];
  does: string;
  act: (key: string) => void;
}

const NAMES: Record<string, string> = { " ": "Space" };
const WRITING = "input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]";
const PRESSABLE = "button, a, summary, input";

/** Obey the keys until the returned function is called; never with Ctrl, Alt or Meta, never in a text field. */
function listen(hotkeys: () => Hotkey[]): () => void {
  const heard = (event: KeyboardEvent) => {
    if (event.defaultPrevented || event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    const target = event.target instanceof Element ? event.target : document.body;
    if (target.closest(WRITING) || document.querySelector("dialog[open]")) return;
    if ((event.key === " " || event.key === "Enter") && target.closest(PRESSABLE)) return;
    const found = hotkeys().find((hotkey) => hotkey.keys.includes(event.key));
    if (!found) return;
    event.preventDefault();
    found.act(event.key);
  };
  // A button that the mouse has pressed lets go of the keyboard: space plays again.
  const pressed = (event: MouseEvent) => {
    const button = event.detail && event.target instanceof Element ? event.target.closest("button") : null;
    if (button && document.activeElement === button) button.blur();
  };
  document.addEventListener("keydown", heard);
  document.addEventListener("click", pressed);
  return () => {
    document.removeEventListener("keydown", heard);
    document.removeEventListener("click", pressed);
  };
}

/** Obey the keys as they are now, for as long as the page shows what they belong to. */
export function useHotkeys(hotkeys: Hotkey[]) {
  const now = useRef(hotkeys);
  now.current = hotkeys;
  useLayoutEffect(() => listen(() => now.current), []);
}

/** A key beside the words of a button: for the eye; the help tells it to all. */
export const Key = ({ name }: { name: string }) => <kbd aria-hidden="true">{NAMES[name] ?? name}</kbd>;

/** What only a screen reader says. */
export const Unseen = ({ text }: { text: string }) => <span class="unseen">{text}</span>;

/** All hotkeys of the page, in a dialog that Escape closes. */
export function Help({ hotkeys, open, close }: { hotkeys: Hotkey[]; open: boolean; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={close}>
      {/* The focus begins at the top: on the button below, it would scroll a long list to its end. */}
      <h2 id="help-title" tabIndex={-1} autofocus>
        Hotkeys
      </h2>
      <table>
        <tbody>
          {hotkeys.map((hotkey) => (
            <tr key={hotkey.does}>
              <th scope="row">
                {hotkey.keys.map((name) => (
                  <kbd key={name}>{NAMES[name] ?? name}</kbd>
                ))}
              </th>
              <td>{hotkey.does}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="faint">In a text field all keys write. Tab, Enter and the arrow keys work as everywhere.</p>
      <button type="button" onClick={close}>
        Close
      </button>
    </dialog>
  );
}
