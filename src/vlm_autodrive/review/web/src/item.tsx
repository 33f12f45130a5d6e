/** The review screen of one item. */

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { get, post, Refusal } from "./api";
import { type Conflict, DecisionPanel, MomentHistory } from "./decision";
import { Help, type Hotkey, useHotkeys } from "./hotkeys";
import { EDGES, NOTHING, same, withEdge } from "./labels";
import { useQueueNav } from "./queue_nav";
import { Answers, letterOf } from "./reasoning";
import type { Correction, Edge, ItemAnswer, MomentLabel, SampleLabel } from "./records";
import { SampleScreen } from "./sample";
import { type ScreenProps, Stage, useBlind, usePlayback } from "./stage";
import type { Lane } from "./timeline";
import { clock, within } from "./times";

const exact = (time_s: number) => Math.round(time_s * 1e6) / 1e6;

/** The events that were added and not undone. */
function addedIn(decisions: Correction[]): MomentLabel[] {
  const undone = new Set(decisions.map((each) => each.undoes));
  return decisions.flatMap((each) =>
    each.decision === "add" && each.after && !undone.has(each.correction_id) ? [each.after] : [],
  );
}

export function Review({ itemId, queue }: { itemId: string; queue: string }) {
  const [data, setData] = useState<ItemAnswer | null>(null);
  const [failure, setFailure] = useState("");
  const etag = useRef("");
  const load = async () => {
    const reply = await get<ItemAnswer>(`/api/items/${itemId}${location.search}`);
    etag.current = reply.etag;
    setData(reply.body);
    return reply.body;
  };
  useEffect(() => {
    load().catch((error: Error) => setFailure(error.message));
  }, []);
  if (failure)
    return (
      <p class="notes warning" role="alert">
        {failure}
      </p>
    );
  if (!data) return <p class="faint">Loading the item …</p>;
  // What people say of a sample is of another kind than what they say of a moment.
  if (data.item.sample)
    return <SampleScreen data={data as unknown as ItemAnswer<SampleLabel>} etag={etag} load={load} queue={queue} />;
  return <Screen data={data} etag={etag} load={load} queue={queue} />;
}

function Screen({ data, etag, load, queue }: ScreenProps<MomentLabel>) {
  const { item, decisions } = data;
  const classes = data.taxonomy;
  const normal = classes.find((each) => !each.is_event) ?? classes[classes.length - 1]!;
  const reasonField = useRef<HTMLInputElement>(null);
  const [status, setStatus] = useState("");
  const tell = (text: string) => setStatus((before) => (before === text ? `${text} ` : text));
  const { blind, hidden, toggleBlind } = useBlind(data, "Answers", tell);
  const { next, hotkeys: queueKeys, nav, help, closeHelp } = useQueueNav(data, queue, tell);
  const said = data.current ?? item.label ?? item.answers[0]?.label ?? null;
  const start = hidden ? NOTHING : (said ?? NOTHING);
  const [draft, setDraft] = useState<MomentLabel>(start);
  const [isAdding, setAdding] = useState(false);
  const [reason, setReason] = useState("");
  const [problem, setProblem] = useState("");
  const [conflict, setConflict] = useState<Conflict | null>(null);
  const [busy, setBusy] = useState(false);
  const model = new URLSearchParams(location.search).get("model");
  const answer = item.answers.find((each) => each.model === model) ?? item.answers[0] ?? null;
  const compares = item.answers.length > 1;
  const added = addedIn(decisions);
  const moments = [draft, ...added, ...(hidden ? [] : [item.label, ...item.answers.map((each) => each.label)])]
    .flatMap((label) => (label && label.time_s !== null ? [label.time_s] : []));
  const span: [number, number] = [draft.start_s ?? item.start_s, draft.end_s ?? item.end_s];
  const playback = usePlayback({ data, span, moments, tell });
  const { player, now_s, words, seek } = playback;

  // What holds is shown anew when it has changed: after a save, an undo, or when the answer is revealed.
  // Before anything is drawn: what is hidden must not flash up.
  useLayoutEffect(() => {
    setDraft(start);
    setAdding(false);
  }, [data, hidden]);

  // Blind, nobody has said anything yet: whatever is chosen is new.
  const isChanged = !isAdding && !same(draft, start);
  const needsReason = !isAdding && !hidden && !!said && draft.event_class !== said.event_class;

  /** Whether the draft can have times; says why if not. */
  const hasTimes = () => {
    if (!player.current?.ready) {
      tell("The video is still loading.");
      return false;
    }
    if (draft.event_class !== normal.name) return true;
    tell(`${normal.label} has no times; choose the class of an event first.`);
    return false;
  };
  const setEdge = (edge: Edge, time_s: number) => {
    seek(time_s);
    setDraft((label) => withEdge(label, edge, exact(player.current?.target_s ?? time_s)));
  };
  const setHere = (edge: Edge) => {
    if (!hasTimes()) return;
    player.current?.pause();
    setDraft((label) => withEdge(label, edge, exact(player.current!.target_s)));
    // Its handle takes the arrow keys, so that it can be nudged at once.
    requestAnimationFrame(() => document.querySelector<SVGElement>(`[data-edge="${edge}"]`)?.focus());
    tell(`${EDGES.find((each) => each.edge === edge)!.words} at ${words(player.current!.target_s)}`);
  };
  const nudge = async (edge: Edge, frames: number, seconds: number) => {
    const from_s = draft[edge];
    const { current } = player;
    if (from_s === null || !current) return;
    current.pause();
    if (seconds) {
      const to_s = exact(within(from_s + seconds, 0, item.duration_s));
      seek(to_s);
      setDraft((label) => withEdge(label, edge, to_s));
    } else {
      if (Math.abs(current.target_s - from_s) > 1e-3) await current.seek(from_s);
      await current.step(frames);
      setDraft((label) => withEdge(label, edge, exact(current.target_s)));
    }
  };

  /** Ask for a change; what the server refuses is shown, a conflict with the other's decision. */
  const change = async (path: string, body: unknown, done: string): Promise<boolean> => {
    setBusy(true);
    setProblem("");
    setConflict(null);
    try {
      await post(`/api/items/${item.item_id}/${path}`, body, etag.current);
      over.current = null;
      await load();
      setReason("");
      tell(done);
      return true;
    } catch (error) {
      const refusal = error as Refusal;
      if (refusal.status === 409 || refusal.status === 412) await findConflict(refusal.message);
      else setProblem(refusal.message);
      return false;
    } finally {
      setBusy(false);
    }
  };
  const newest = useRef("");
  /** What holds by somebody else's decision, over which the draft is to be saved. */
  const over = useRef<MomentLabel | null>(null);
  const findConflict = async (message: string) => {
    const { body, etag: now } = await get<ItemAnswer>(`/api/items/${item.item_id}${location.search}`);
    newest.current = now;
    const last = body.decisions[body.decisions.length - 1];
    if (!last) return setProblem(message);
    setConflict({ by: last.reviewer, theirs: last.after, holds: body.current, reason: last.reason });
  };

  const save = async (): Promise<boolean> => {
    const holds = over.current ?? said;
    if (!draft.event_class) {
      setProblem("Choose a class first.");
      return false;
    }
    const isOther = !isAdding && !hidden && !!holds && draft.event_class !== holds.event_class;
    if (isOther && !reason.trim()) {
      setProblem("Say why the class is changed.");
      reasonField.current?.focus();
      return false;
    }
    const isSame = same(draft, holds);
    const decision = isAdding ? "add" : isSame ? "confirm" : "change";
    const why = reason.trim() || (hidden && !isSame ? "decided blind" : "");
    const label = classes.find((each) => each.name === draft.event_class)!.label;
    const when = draft.time_s === null ? "" : ` at ${clock(draft.time_s)}`;
    const verb = isAdding ? "Added" : hidden ? "Saved" : isSame ? "Confirmed" : "Changed";
    const body = { decision, after: draft, reason: why, blind: hidden, model: answer?.model ?? null };
    const isSaved = await change("decisions", body, `${verb}: ${label}${when}.`);
    if (isSaved) reasonField.current?.blur();
    return isSaved;
  };
  const reject = () => {
    setAdding(false);
    setDraft({ ...NOTHING, event_class: normal.name });
    requestAnimationFrame(() => reasonField.current?.focus());
  };
  const add = () => {
    if (!player.current?.ready) return tell("The video is still loading.");
    const time_s = exact(player.current.target_s);
    player.current.pause();
    setAdding(true);
    setDraft({
      event_class: classes[0]!.name,
      time_s,
      start_s: exact(Math.max(time_s - 1, 0)),
      end_s: exact(Math.min(time_s + 1, item.duration_s)),
      alert_time_s: null,
    });
    tell(`A new event at ${words(time_s)}: set its class and times, then save.`);
  };
  const reset = () => {
    setDraft(start);
    setAdding(false);
    setProblem("");
    tell("Nothing is changed.");
  };
  const setClass = (name: string) => {
    setDraft((label) =>
      name === normal.name ? { ...NOTHING, event_class: name } : { ...label, event_class: name },
    );
    tell(classes.find((each) => each.name === name)!.label);
  };
  const hotkeys: Hotkey[] = [
    ...playback.hotkeys,
    {
      keys: classes.slice(0, 9).map((_, place) => String(place + 1)),
      does: classes.map((each) => each.label).join(", "),
      act: (key) => setClass(classes[Number(key) - 1]!.name),
    },
    ...EDGES.map(({ edge, words: name, key }) => ({
      keys: [key],
      does: `${name.toLowerCase()} at this frame; then ← → by a frame, ↑ ↓ by 0.1 s`,
      act: () => setHere(edge),
    })),
    { keys: ["e"], does: "write the reason", act: () => reasonField.current?.focus() },
    { keys: ["c"], does: "confirm, or save what you changed", act: () => void save() },
    { keys: ["C"], does: "the same, then the next item", act: () => void save().then((isSaved) => isSaved && next()) },
    { keys: ["x"], does: `reject: it is ${normal.label}`, act: reject },
    { keys: ["a"], does: "add an event that nobody named, at this frame", act: add },
    { keys: ["z"], does: "take back what is not saved", act: reset },
    { keys: ["u"], does: "undo the last decision", act: () => void change("undo", {}, "Undone.") },
    { keys: ["b"], does: "blind mode: hide the answers until you have decided", act: toggleBlind },
    ...queueKeys,
  ];
  useHotkeys(hotkeys);

  const mine: Lane = { name: "You", short: "You", labels: [draft, ...added], mine: true };
  const lanes: Lane[] = hidden
    ? [mine]
    : [
        ...item.answers.map((each, place) => ({
          name: compares ? `Model ${letterOf(place)}` : "Model",
          short: compares ? letterOf(place) : "M",
          labels: each.label ? [{ ...each.label, alert_time_s: each.label.alert_time_s ?? each.alert_time_s }] : [],
        })),
        ...(item.label ? [{ name: "Label", short: "L", labels: [item.label] }] : []),
        mine,
      ];
  const answers = <Answers {...{ item, classes, hidden, now_s, seek }} />;

  return (
    <div class={compares ? "review compares" : "review"}>
      <Stage
        {...{ data, classes, playback, lanes, blind, toggleBlind, setEdge }}
        curve={hidden ? undefined : answer?.curve?.windows}
        threshold={answer?.threshold}
        nudge={(edge, frames, seconds) => void nudge(edge, frames, seconds)}
      />
      <div class="side">
        <p class="status" role="status">
          {status}
        </p>
        <DecisionPanel
          {...{ classes, draft, reason, needsReason, isChanged, isAdding, hidden, busy, conflict, problem, reasonField }}
          {...{ words, setClass, setHere, setReason, reject, add, reset }}
          clearEdge={(edge) => setDraft((label) => withEdge(label, edge, null))}
          nudge={(edge, frames, seconds) => void nudge(edge, frames, seconds)}
          save={() => void save()}
          undo={() => void change("undo", {}, "Undone.")}
          takeTheirs={() => {
            setConflict(null);
            over.current = null;
            void load().then(() => tell("Their decision is shown."));
          }}
          saveMine={() => {
            etag.current = newest.current;
            over.current = conflict!.holds;
            void save();
          }}
        />
        {!compares && answers}
        {nav}
      </div>
      <div class="rest">
        {compares && answers}
        <section class="panel facts" aria-labelledby="facts-title">
          <h2 id="facts-title">The item</h2>
          <dl>
            <dt>Shown first</dt>
            <dd>
              {clock(item.start_s)} to {clock(item.end_s)} of {clock(item.duration_s)}
              {data.media.length > 1 ? `, in ${data.media.length} files` : ""}
            </dd>
            {item.split && (
              <>
                <dt>Split</dt>
                <dd>{item.split}</dd>
              </>
            )}
            {Object.entries(item.slices).map(([name, value]) => [<dt>{name}</dt>, <dd>{value}</dd>])}
          </dl>
        </section>
        {!hidden && <MomentHistory classes={classes} decisions={decisions} seek={seek} />}
      </div>
      <Help hotkeys={hotkeys} open={help} close={closeHelp} />
    </div>
  );
}
