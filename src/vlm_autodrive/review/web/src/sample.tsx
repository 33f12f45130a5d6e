/** The review screen of an SFT sample: its texts beside its clip, what the checks said, and the decision. */

import { useRef, useState } from "preact/hooks";
import { post, type Refusal } from "./api";
import { History } from "./decision";
import { Help, type Hotkey, Key, useHotkeys } from "./hotkeys";
import { Badge, NOTHING } from "./labels";
import { CitedText } from "./reasoning";
import { useQueueNav } from "./queue_nav";
import type { Correction, SampleLabel } from "./records";
import { type ScreenProps, Stage, useBlind, usePlayback } from "./stage";
import type { Lane } from "./timeline";
import { clock, within } from "./times";

/** About how many rows a text takes in its field. */
const rowsOf = (text: string) => text.split("\n").reduce((sum, line) => sum + Math.max(Math.ceil(line.length / 50), 1), 0);
const spelt = (name: string) => name.replaceAll("_", " ");

export function SampleScreen({ data, etag, load, queue }: ScreenProps<SampleLabel>) {
  const { item, decisions, reviewer, reasons, current } = data;
  const classes = data.taxonomy;
  const { sample, question, answer, meaning } = item.sample!;
  const textField = useRef<HTMLTextAreaElement>(null);
  const noteField = useRef<HTMLInputElement>(null);
  const [status, setStatus] = useState("");
  const tell = (words: string) => setStatus((before) => (before === words ? `${words} ` : words));
  const { blind, hidden, toggleBlind } = useBlind(data, "Checks, teacher and decisions", tell);
  const { next, hotkeys: queueKeys, nav, help, closeHelp } = useQueueNav(data, queue, tell);
  const [isRejecting, setRejecting] = useState(false);
  /** The text that is being written anew; null if none is. */
  const [text, setText] = useState<string | null>(null);
  const [note, setNote] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);

  const cited = [...question, ...answer].flatMap(({ time_s, is_outside }) =>
    time_s === null || is_outside ? [] : [time_s],
  );
  const moments = [...cited, ...(item.label && item.label.time_s !== null ? [item.label.time_s] : [])];
  const playback = usePlayback({ data, span: [item.start_s, item.end_s], moments, tell });
  const { now_s, seek } = playback;
  const label = item.label;
  const lanes: Lane[] = [
    { name: "Clip", short: "C", labels: label ? [{ ...label, start_s: item.start_s, end_s: item.end_s }] : [] },
    {
      name: "Cited",
      short: "t",
      labels: cited.map((time_s) => ({ ...NOTHING, event_class: label?.event_class ?? classes[0]!.name, time_s })),
    },
  ];

  /** Ask for a change; a text that the server refuses stays, so that it can be saved again. */
  const change = async (path: string, body: object, done: string): Promise<boolean> => {
    setBusy(true);
    setProblem("");
    setRejecting(false);
    try {
      await post(`/api/items/${item.item_id}/${path}`, body, etag.current);
      await load();
      setText(null);
      setNote("");
      tell(done);
      return true;
    } catch (error) {
      const refusal = error as Refusal;
      if (refusal.status === 409) await load();
      setProblem(
        refusal.status === 409
          ? "Somebody decided in the meantime: look at the decisions, then decide again."
          : refusal.message,
      );
      return false;
    } finally {
      setBusy(false);
    }
  };
  const decide = (decision: Correction["decision"], more: object, done: string) =>
    change("decisions", { decision, reason: note, blind: hidden, ...more }, done);
  const accept = async () => {
    if (text === null) return decide("accept", {}, "Accepted.");
    setProblem("Your text is not saved yet: save it, or take it back.");
    return false;
  };
  const reject = () => {
    setRejecting(true);
    tell("Why? Choose a reason.");
  };
  const rejectAs = (name: string) => void decide("reject", { rejection: name }, `Rejected: ${reasons[name]}.`);
  const rewrite = () => {
    setText((before) => before ?? (hidden ? sample.target : (current?.target ?? sample.target)));
    requestAnimationFrame(() => textField.current?.focus());
  };
  const save = async () => {
    if (text === null) return tell("No text is changed; e changes it.");
    await decide("correct", { target: text }, "Corrected.");
  };
  const reset = () => {
    setText(null);
    setRejecting(false);
    setProblem("");
    tell("Nothing is changed.");
  };
  const undo = () => void change("undo", {}, "Undone.");
  const names = Object.keys(reasons);
  const undone = new Set(decisions.map((each) => each.undoes));
  const mine = decisions.findLast(
    (each) => each.reviewer === reviewer && each.decision !== "undo" && !undone.has(each.correction_id),
  );
  /** What is being decided, or else what was. */
  const shown = isRejecting ? "reject" : text !== null ? "correct" : mine?.decision;

  const hotkeys: Hotkey[] = [
    ...playback.hotkeys,
    { keys: ["a"], does: "accept", act: () => void accept() },
    { keys: ["A"], does: "accept, then the next item", act: () => void accept().then((isSaved) => isSaved && next()) },
    { keys: ["x"], does: "reject; then the number of the reason", act: reject },
    {
      keys: names.map((_, place) => String(place + 1)),
      does: names.map((name) => reasons[name]).join(", "),
      act: (key) => (isRejecting ? rejectAs(names[Number(key) - 1]!) : tell("Press x first, to reject.")),
    },
    { keys: ["e"], does: "write the text anew; Ctrl and Enter save", act: rewrite },
    { keys: ["c"], does: "save the text that you wrote", act: () => void save() },
    { keys: ["t"], does: "write a note", act: () => noteField.current?.focus() },
    { keys: ["z"], does: "take back what is not saved", act: reset },
    { keys: ["u"], does: "undo the last decision", act: undo },
    { keys: ["b"], does: "blind mode: hide checks and teacher until you have decided", act: toggleBlind },
    ...queueKeys,
  ];
  useHotkeys(hotkeys);

  return (
    <div class="review">
      <Stage {...{ data, classes, playback, lanes, blind, toggleBlind }} />
      <div class="side">
        <p class="status" role="status">
          {status}
        </p>
        <section class="panel sample" aria-labelledby="sample-title">
          <h2 id="sample-title">
            {sample.type}
            {sample.topic !== sample.type && `, ${spelt(sample.topic)}`}
          </h2>
          {item.start_s > 0 && (
            <p class="faint">The texts count from the clip’s start, which is at {clock(item.start_s)} of the video.</p>
          )}
          <h3>Question</h3>
          <CitedText pieces={question} now_s={now_s} seek={seek} />
          <h3>
            Answer {meaning && <span class="faint">({meaning})</span>}
          </h3>
          <div id="answer">
            <CitedText pieces={answer} now_s={now_s} seek={seek} />
          </div>
          {!hidden && current && current.target !== sample.target && (
            <>
              <h3>Corrected answer</h3>
              <p class="trace">{current.target}</p>
            </>
          )}
        </section>
        <section class="panel decision" aria-labelledby="decision-title">
          <h2 id="decision-title">Your decision</h2>
          <div class="buttons">
            <button
              type="button"
              class="main"
              aria-pressed={shown === "accept"}
              disabled={busy}
              onClick={() => void accept()}
            >
              Accept <Key name="a" />
            </button>
            <button type="button" aria-pressed={shown === "reject"} onClick={reject}>
              Reject <Key name="x" />
            </button>
            <button type="button" aria-pressed={shown === "correct"} onClick={rewrite}>
              Correct <Key name="e" />
            </button>
            <button type="button" disabled={busy} onClick={undo}>
              Undo <Key name="u" />
            </button>
          </div>
          {isRejecting && (
            <div class="reasons" role="group" aria-label="Why it is rejected">
              {names.map((name, place) => (
                <button key={name} type="button" onClick={() => rejectAs(name)}>
                  {reasons[name]} <Key name={String(place + 1)} />
                </button>
              ))}
            </div>
          )}
          {text !== null && (
            <form
              class="rewriting"
              onSubmit={(event) => {
                event.preventDefault();
                void save();
              }}
            >
              <label>
                The answer as it should be
                <textarea
                  ref={textField}
                  name="target"
                  maxLength={20000}
                  rows={within(1 + rowsOf(text), 3, 16)}
                  value={text}
                  onInput={(event) => setText(event.currentTarget.value)}
                  onKeyDown={(event) => {
                    if (event.key === "Escape") event.currentTarget.blur();
                    if (event.key === "Enter" && event.ctrlKey) void save();
                  }}
                />
              </label>
              <div class="buttons">
                <button type="submit" class="main" disabled={busy}>
                  Save the text <Key name="c" />
                </button>
                <button type="button" onClick={reset}>
                  Take back <Key name="z" />
                </button>
              </div>
            </form>
          )}
          <label class="reason">
            Note <Key name="t" />
            <input
              ref={noteField}
              name="note"
              autocomplete="off"
              maxLength={2000}
              value={note}
              onInput={(event) => setNote(event.currentTarget.value)}
              onKeyDown={(event) => ["Escape", "Enter"].includes(event.key) && event.currentTarget.blur()}
            />
          </label>
          {problem && (
            <p class="notes warning" role="alert">
              {problem}
            </p>
          )}
        </section>
        <Checks hidden={hidden} sample={sample} />
        {nav}
      </div>
      <div class="rest">
        <section class="panel facts" aria-labelledby="facts-title">
          <h2 id="facts-title">The sample</h2>
          <dl>
            <dt>Clip</dt>
            <dd>
              {clock(item.start_s)} to {clock(item.end_s)} {label && <Badge classes={classes} name={label.event_class} />}
              {label && label.time_s !== null && ` at ${clock(label.time_s)}`}
            </dd>
            {!hidden && (
              <>
                <dt>Teacher</dt>
                <dd>
                  {sample.teacher}, version {sample.teacher_prompt_version}
                </dd>
                {sample.teacher_inputs.length > 0 && (
                  <>
                    <dt>Made from</dt>
                    <dd>{sample.teacher_inputs.join(", ")}</dd>
                  </>
                )}
              </>
            )}
            <dt>Id</dt>
            <dd>{sample.sample_id}</dd>
            {Object.entries(item.slices).map(([name, value]) =>
              ["type", "class", "teacher", "checks"].includes(name) ? null : [<dt>{spelt(name)}</dt>, <dd>{value}</dd>],
            )}
          </dl>
        </section>
        {!hidden && (
          <History
            decisions={decisions}
            said={(each) => said(each, reasons)}
            why={(reason) => <span>({reason})</span>}
          />
        )}
      </div>
      <Help hotkeys={hotkeys} open={help} close={closeHelp} />
    </div>
  );
}

function Checks({ hidden, sample }: { hidden: boolean; sample: { outcome: string; checks: { name: string; passed: boolean; message: string }[] } }) {
  const failed = sample.checks.filter((each) => !each.passed);
  const passed = sample.checks.filter((each) => each.passed);
  const isWhole = ["ok", "repaired"].includes(sample.outcome);
  return (
    <section class="panel" aria-labelledby="checks-title">
      <h2 id="checks-title">The checks</h2>
      {hidden ? (
        <p class="faint">Hidden until you have decided.</p>
      ) : (
        <ul class="checks">
          {!isWhole && <li class="bad">✗ outcome: {sample.outcome}</li>}
          {failed.map((each) => (
            <li key={each.name} class="bad">
              ✗ {spelt(each.name)}: {each.message}
            </li>
          ))}
          {passed.length > 0 && <li class="faint">✓ {passed.map((each) => spelt(each.name)).join(", ")}</li>}
          {!sample.checks.length && <li class="faint">None was made.</li>}
        </ul>
      )}
    </section>
  );
}

/** What is shown of a decision on a sample behind its kind. */
function said({ decision, after }: Correction<SampleLabel>, reasons: Record<string, string>) {
  if (decision === "reject") return <span>: {reasons[after!.rejection]}</span>;
  return decision === "correct" && [": ", <q>{after!.target}</q>];
}
