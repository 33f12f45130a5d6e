/** The reviewer's part: the class, the times, the reason, and what has been decided so far. */

import type { ComponentChildren, RefObject } from "preact";
import { Key, Unseen } from "./hotkeys";
import { EDGES, looks, Said } from "./labels";
import type { Correction, Edge, EventClass, MomentLabel } from "./records";
import { clock } from "./times";

const REASONS = ["contact is seen", "no contact", "no event", "an event was missed", "the time was wrong"];

export interface Conflict {
  by: string;
  theirs: MomentLabel | null;
  /** What holds now. */
  holds: MomentLabel | null;
  reason: string;
}

interface Props {
  classes: EventClass[];
  draft: MomentLabel;
  reason: string;
  needsReason: boolean;
  isChanged: boolean;
  isAdding: boolean;
  hidden: boolean;
  busy: boolean;
  conflict: Conflict | null;
  problem: string;
  reasonField: RefObject<HTMLInputElement | null>;
  setClass: (name: string) => void;
  setHere: (edge: Edge) => void;
  clearEdge: (edge: Edge) => void;
  nudge: (edge: Edge, frames: number, seconds: number) => void;
  setReason: (text: string) => void;
  save: () => void;
  reject: () => void;
  add: () => void;
  reset: () => void;
  undo: () => void;
  takeTheirs: () => void;
  saveMine: () => void;
  words: (time_s: number) => string;
}

export function DecisionPanel(props: Props) {
  const { classes, draft, needsReason, isChanged, isAdding, hidden, busy, conflict, problem, words } = props;
  return (
    <section class="panel decision" aria-labelledby="decision-title">
      <h2 id="decision-title">{isAdding ? "Another event" : "Your decision"}</h2>
      <div class="classes" role="group" aria-label="Class">
        {classes.map((each, place) => (
          <button
            key={each.name}
            type="button"
            class={`choice ${looks(place)}`}
            aria-pressed={draft.event_class === each.name}
            onClick={() => props.setClass(each.name)}
          >
            <b aria-hidden="true">{each.pattern_letter}</b> {each.label} <Key name={String(place + 1)} />
          </button>
        ))}
      </div>
      <table class="edges">
        <tbody>
          {EDGES.map(({ edge, words: name, key, mark }) => (
            <tr key={edge}>
              <th scope="row">
                <span class="edge-mark" aria-hidden="true">
                  {mark}
                </span>{" "}
                {name}
              </th>
              <td class="num edge-time" data-edge-time={edge}>
                {draft[edge] === null ? (
                  <span class="faint">not set</span>
                ) : (
                  words(draft[edge]!)
                    .split(", ")
                    .map((part) => <span key={part}>{part} </span>)
                )}
              </td>
              <td class="nudges">
                {(
                  [
                    [0, -0.1, "−0.1 s"],
                    [-1, 0, "−1 frame"],
                    [1, 0, "+1 frame"],
                    [0, 0.1, "+0.1 s"],
                  ] as const
                ).map(([frames, seconds, text]) => (
                  <button
                    key={text}
                    type="button"
                    disabled={draft[edge] === null}
                    onClick={() => props.nudge(edge, frames, seconds)}
                  >
                    <Unseen text={`${name} ${text}`} />
                    <span aria-hidden="true">{text.replace(" frame", " f")}</span>
                  </button>
                ))}
                <button type="button" onClick={() => props.setHere(edge)}>
                  <Unseen text={name} /> here <Key name={key} />
                </button>
                <button type="button" disabled={draft[edge] === null} onClick={() => props.clearEdge(edge)}>
                  <Unseen text={`${name} is not known`} />
                  <span aria-hidden="true">×</span>
                </button>
              </td>
            </tr>
          ))}
        </tbody>
      </table>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          props.save();
        }}
      >
        <label class="reason">
          Reason{needsReason ? " (needed, since the class is changed)" : ""}
          <input
            ref={props.reasonField}
            name="reason"
            list="reasons"
            autocomplete="off"
            maxLength={2000}
            value={props.reason}
            required={needsReason}
            onInput={(event) => props.setReason(event.currentTarget.value)}
            onKeyDown={(event) => event.key === "Escape" && event.currentTarget.blur()}
          />
        </label>
        <datalist id="reasons">
          {REASONS.map((text) => (
            <option key={text} value={text} />
          ))}
        </datalist>
        <div class="buttons">
          <button type="submit" class="main" disabled={busy || !draft.event_class} formNoValidate>
            {isAdding ? "Add the event" : hidden ? "Save" : isChanged ? "Save the change" : "Confirm"} <Key name="c" />
          </button>
          <button type="button" onClick={props.reject}>
            Reject <Key name="x" />
          </button>
          {isChanged || isAdding ? (
            <button type="button" onClick={props.reset}>
              {isAdding ? "Do not add" : "Take back"} <Key name="z" />
            </button>
          ) : (
            <button type="button" onClick={props.add}>
              Add an event <Key name="a" />
            </button>
          )}
          <button type="button" onClick={props.undo} disabled={busy}>
            Undo <Key name="u" />
          </button>
        </div>
      </form>
      {conflict && (
        <div class="notes warning" role="alert">
          <p>
            {conflict.by || "Somebody else"} decided in the meantime: <Said classes={classes} label={conflict.theirs} />
            {conflict.reason ? `, because: ${conflict.reason}` : ""}. Nothing of yours is saved yet.
          </p>
          <button type="button" onClick={props.takeTheirs}>
            Take theirs
          </button>{" "}
          <button type="button" onClick={props.saveMine}>
            Save mine all the same
          </button>
        </div>
      )}
      {problem && (
        <p class="notes warning" role="alert">
          {problem}
        </p>
      )}
    </section>
  );
}

interface HistoryProps<Label> {
  decisions: Correction<Label>[];
  /** What a decision says. */
  said: (each: Correction<Label>) => ComponentChildren;
  /** Its reason, if it has one. */
  why: (reason: string) => ComponentChildren;
  more?: (each: Correction<Label>) => ComponentChildren;
}

export function History<Label>({ decisions, said, why, more }: HistoryProps<Label>) {
  const undone = new Set(decisions.map((each) => each.undoes));
  return (
    <section class="panel history" aria-labelledby="history-title">
      <h2 id="history-title">Decisions</h2>
      {decisions.length === 0 && <p class="faint">Nobody has decided yet.</p>}
      <ol>
        {decisions.map((each) => {
          const isUndone = undone.has(each.correction_id);
          return (
            <li key={each.correction_id} class={isUndone ? "undone" : ""}>
              <strong>{each.reviewer}</strong> {each.decision}
              {said(each)}
              {isUndone && <em> taken back</em>}
              {each.reason && why(each.reason)}
              <span class="faint">
                {" "}
                {each.at.slice(0, 16).replace("T", " ")}
                {each.blind ? ", blind" : ""}
              </span>
              {more?.(each)}
            </li>
          );
        })}
      </ol>
    </section>
  );
}

interface MomentHistoryProps {
  classes: EventClass[];
  decisions: Correction[];
  seek: (time_s: number) => void;
}

export function MomentHistory({ classes, decisions, seek }: MomentHistoryProps) {
  const cite = (time_s: number) => (
    <button type="button" class="cite" aria-label={`Go to ${clock(time_s)}`} onClick={() => seek(time_s)}>
      {clock(time_s)}
    </button>
  );
  return (
    <History
      decisions={decisions}
      said={({ decision, after }) => decision !== "undo" && [": ", <Said classes={classes} label={after} />]}
      why={(reason) => <q>{reason}</q>}
      more={({ after }) => after && after.time_s !== null && cite(after.time_s)}
    />
  );
}
