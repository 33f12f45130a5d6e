/** The stage of an item: the video with its controls, the time line below it, and the hotkeys of both. */

import type { RefObject } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { type Hotkey, Key, Unseen } from "./hotkeys";
import { Player, SPEEDS } from "./player";
import type { Edge, EventClass, ItemAnswer, WindowScore } from "./records";
import { type Lane, Timeline } from "./timeline";
import { clock, within } from "./times";

const NO_CURVE: WindowScore[] = [];
const BLIND = "autodrive-review-blind";

/** What a screen gets of its item. */
export interface ScreenProps<Label> {
  data: ItemAnswer<Label>;
  etag: { current: string };
  load: () => Promise<unknown>;
  queue: string;
}

/** Blind mode: whether it is on, and whether something is hidden, since the reviewer has not decided yet. */
export function useBlind({ decisions, hide_answer, reviewer }: ItemAnswer<unknown>, what: string, tell: (text: string) => void) {
  const [blind, setBlind] = useState(hide_answer || localStorage.getItem(BLIND) === "yes");
  const hidden = blind && !decisions.some((each) => each.reviewer === reviewer);
  const toggleBlind = () => {
    localStorage.setItem(BLIND, blind ? "no" : "yes");
    setBlind(!blind);
    tell(blind ? `${what} are shown.` : `Blind: ${what.toLowerCase()} are hidden until you have decided.`);
  };
  return { blind, hidden, toggleBlind };
}

export interface Playback {
  video: RefObject<HTMLVideoElement | null>;
  player: RefObject<Player | null>;
  /** The item's time of the frame on the screen. */
  now_s: number;
  /** The seconds that the time line shows. */
  view: [number, number];
  isWhole: boolean;
  hotkeys: Hotkey[];
  words: (time_s: number) => string;
  seek: (time_s: number) => void;
  step: (frames: number) => void;
  setLoop: () => void;
  toggleWhole: () => void;
}

interface PlaybackOptions {
  data: ItemAnswer<unknown>;
  /** What is looped. */
  span: [number, number];
  /** The moments that the brackets go to. */
  moments: number[];
  tell: (text: string) => void;
}

export function usePlayback({ data, span, moments, tell }: PlaybackOptions): Playback {
  const { item } = data;
  const [, redraw] = useState(0);
  const changed = () => redraw((count) => count + 1);
  const video = useRef<HTMLVideoElement>(null);
  const player = useRef<Player>(null);
  const [isWhole, setIsWhole] = useState(!["event", "moment"].includes(item.kind) && item.duration_s <= 90);
  const margin = Math.max((item.end_s - item.start_s) * 0.1, 0.5);
  const close: [number, number] = [
    Math.max(item.start_s - margin, 0),
    Math.max(Math.min(item.end_s + margin, item.duration_s), item.start_s + 0.1),
  ];
  useEffect(() => {
    if (!data.media.length) return;
    player.current = new Player(video.current!, data.media, changed);
    void player.current.seek(item.start_s);
  }, []);

  const now_s = player.current?.time_s ?? item.start_s;
  const words = (time_s: number) => player.current?.words(time_s) ?? `${time_s.toFixed(2)} s`;
  const seek = (time_s: number) => void player.current?.seek(within(time_s, 0, item.duration_s));
  const step = (frames: number) => void player.current?.step(frames);
  const toggleWhole = () => setIsWhole(!isWhole);
  const setLoop = () => {
    const { current } = player;
    if (!current) return;
    const [from, to] = span;
    current.loop = current.loop || to <= from ? null : span;
    if (current.loop && (now_s < from || now_s > to)) seek(from);
    tell(current.loop ? `Loops from ${clock(from)} to ${clock(to)}.` : "Plays on.");
  };
  const jump = (direction: 1 | -1) => {
    const target_s = player.current?.target_s ?? now_s;
    const away = moments.filter((time_s) => (time_s - target_s) * direction > 0.05);
    if (!away.length) tell(direction > 0 ? "No event after this." : "No event before this.");
    else seek(direction > 0 ? Math.min(...away) : Math.max(...away));
  };
  const hotkeys: Hotkey[] = [
    { keys: [" "], does: "play or pause", act: () => player.current?.toggle() },
    { keys: [","], does: "one frame back", act: () => step(-1) },
    { keys: ["."], does: "one frame on", act: () => step(1) },
    { keys: ["j"], does: "play backwards; again, faster", act: () => player.current?.shuttle(-1) },
    { keys: ["k"], does: "pause", act: () => (player.current?.pause(), changed()) },
    { keys: ["l"], does: "play; again, faster", act: () => player.current?.shuttle(1) },
    { keys: ["<", ">"], does: "slower, faster", act: (key) => player.current?.faster(key === "<" ? -1 : 1) },
    { keys: ["r"], does: "loop from start to end, or play on", act: setLoop },
    { keys: ["[", "]"], does: "previous, next event of this item", act: (key) => jump(key === "[" ? -1 : 1) },
    { keys: ["v"], does: "time line: the event, or all of the video", act: toggleWhole },
  ];
  const view: [number, number] = isWhole ? [0, Math.max(item.duration_s, 0.1)] : close;
  return { video, player, now_s, view, isWhole, hotkeys, words, seek, step, setLoop, toggleWhole };
}

interface Props {
  data: ItemAnswer<unknown>;
  classes: EventClass[];
  playback: Playback;
  lanes: Lane[];
  curve?: WindowScore[];
  threshold?: number | null;
  setEdge?: (edge: Edge, time_s: number) => void;
  nudge?: (edge: Edge, frames: number, seconds: number) => void;
  blind: boolean;
  toggleBlind: () => void;
}

export function Stage({ data, classes, playback, lanes, curve, threshold, blind, toggleBlind, setEdge, nudge }: Props) {
  const { item } = data;
  const { video, player, now_s, view, isWhole, words, seek, step, setLoop, toggleWhole } = playback;
  const { current } = player;
  const making = current?.media?.state === "making" ? current.media : null;
  return (
    <div class="stage">
      <div class="screen">
        <video ref={video} preload="auto" playsInline muted aria-label="The video" onClick={() => current?.toggle()} />
        {making && (
          <div class="over">
            <p>
              A copy that browsers play is being made, as {making.reason}: {Math.round(making.progress * 100)} %
            </p>
            <progress max={1} value={making.progress} aria-label="Making a copy that can be played" />
          </div>
        )}
        {(current?.problem || item.problem || !data.media.length) && (
          <div class="over" role="alert">
            <p>{current?.problem || item.problem || "There is no video of this item."}</p>
          </div>
        )}
      </div>
      <div class="controls" role="group" aria-label="Player">
        <button type="button" onClick={() => current?.toggle()}>
          <Unseen text={current?.playing ? "Pause" : "Play"} />
          <span aria-hidden="true">{current?.playing ? "❚❚" : "▶"}</span> <Key name=" " />
        </button>
        <button type="button" onClick={() => step(-1)}>
          <Unseen text="One frame back" />
          <span aria-hidden="true">◂</span> <Key name="," />
        </button>
        <button type="button" onClick={() => step(1)}>
          <Unseen text="One frame on" />
          <span aria-hidden="true">▸</span> <Key name="." />
        </button>
        <output class="num now" id="now">
          {words(now_s)}
        </output>
        <label>
          <span class="label-text">Speed</span>{" "}
          <select
            aria-label="Speed"
            value={String(current?.rate ?? 1)}
            onChange={(event) => {
              current?.setRate(Number(event.currentTarget.value));
              event.currentTarget.blur();
            }}
          >
            {SPEEDS.map((speed) => (
              <option key={speed} value={String(speed)}>
                {speed}×
              </option>
            ))}
          </select>
        </label>
        <button type="button" aria-pressed={!!current?.loop} onClick={setLoop}>
          Loop <Key name="r" />
        </button>
        <button type="button" aria-pressed={isWhole} onClick={toggleWhole}>
          All of it <Key name="v" />
        </button>
        <button type="button" aria-pressed={blind} onClick={toggleBlind}>
          Blind <Key name="b" />
        </button>
        {current?.media?.proxy && (
          <span class="tag" title={`Made as ${current.media.reason}.`}>
            copy for the browser, same times
          </span>
        )}
      </div>
      <Timeline
        classes={classes}
        lanes={lanes}
        curve={curve ?? NO_CURVE}
        threshold={threshold ?? null}
        thumbs={data.thumbs}
        view={view}
        now_s={now_s}
        words={words}
        seek={seek}
        step={step}
        setEdge={(edge, time_s) => setEdge?.(edge, time_s)}
        nudge={(edge, frames, seconds) => nudge?.(edge, frames, seconds)}
      />
    </div>
  );
}
