/** The time line: probability curves, spans that models, labels and the reviewer name, ticks, and thumbnails. */

import type { RefObject } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { EDGES } from "./labels";
import type { Edge, EventClass, MomentLabel, Thumb, WindowScore } from "./records";
import { clock, nearest, within } from "./times";

const CURVES = 84;
const LANE = 26;
const AXIS = 22;
const DASHES = ["", "7 3", "2 3", "9 3 2 3"];

export interface Lane {
  name: string;
  short: string;
  labels: MomentLabel[];
  /** Whether its edges can be dragged and nudged. */
  mine?: boolean;
}

interface Props {
  classes: EventClass[];
  lanes: Lane[];
  curve: WindowScore[];
  threshold: number | null;
  thumbs: Thumb[];
  view: [number, number];
  now_s: number;
  words: (time_s: number) => string;
  seek: (time_s: number) => void;
  step: (frames: number) => void;
  setEdge: (edge: Edge, time_s: number) => void;
  nudge: (edge: Edge, frames: number, seconds: number) => void;
}

function useWidth(): [RefObject<HTMLDivElement | null>, number] {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(800);
  useEffect(() => {
    const watcher = new ResizeObserver(([entry]) => setWidth(Math.max(entry!.contentRect.width, 200)));
    watcher.observe(box.current!);
    return () => watcher.disconnect();
  }, []);
  return [box, width];
}

const ticksOf = ([from, to]: [number, number], room: number) => {
  const wanted = (to - from) / Math.max(room / 90, 2);
  const step = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600].find((s) => s >= wanted) ?? 7200;
  const first = Math.ceil(from / step - 1e-9);
  return Array.from({ length: Math.max(Math.floor(to / step + 1e-9) - first + 1, 0) }, (_, at) => (first + at) * step);
};

const short = (time_s: number) => (time_s < 60 ? `${Number(time_s.toFixed(1))} s` : clock(time_s).replace(/\.00$/, ""));

export function Timeline(props: Props) {
  const { classes, lanes, curve, threshold, thumbs, view, now_s, words, seek, step, setEdge, nudge } = props;
  const [box, width] = useWidth();
  const [hover, setHover] = useState<number | null>(null);
  const dragged = useRef<Edge | "time" | null>(null);
  const gutter = width >= 640 ? 96 : 40;
  const room = width - gutter - 12;
  const top = curve.length ? CURVES : 0;
  const height = top + lanes.length * LANE + AXIS;
  const x = (time_s: number) => gutter + ((time_s - view[0]) / (view[1] - view[0])) * room;
  const timeAt = (event: PointerEvent) => {
    const inside = event.clientX - box.current!.getBoundingClientRect().left;
    return within(view[0] + ((inside - gutter) / room) * (view[1] - view[0]), view[0], view[1]);
  };

  const down = (event: PointerEvent) => {
    if (event.button) return;
    const handle = (event.target as Element).closest<SVGElement>("[data-edge]");
    dragged.current = (handle?.dataset.edge as Edge) ?? "time";
    (event.currentTarget as Element).setPointerCapture(event.pointerId);
    if (handle) handle.focus();
    else seek(timeAt(event));
    event.preventDefault();
  };
  const move = (event: PointerEvent) => {
    setHover(timeAt(event));
    if (dragged.current === "time") seek(timeAt(event));
    else if (dragged.current) setEdge(dragged.current, timeAt(event));
  };
  const up = () => {
    dragged.current = null;
  };
  const arrows = (event: KeyboardEvent, by: (frames: number, seconds: number) => void) => {
    const moves: Record<string, [number, number]> = {
      ArrowLeft: [-1, 0],
      ArrowRight: [1, 0],
      ArrowDown: [0, -0.1],
      ArrowUp: [0, 0.1],
      PageDown: [0, -1],
      PageUp: [0, 1],
    };
    const wanted = moves[event.key];
    if (!wanted || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    by(...wanted);
  };

  // Hundreds of windows do not change while the video plays.
  const curves = useMemo(() => {
    if (!top) return null;
    const y = (p: number) => 8 + (1 - p) * (CURVES - 16);
    return (
      <g>
        {[0, 0.5, 1].map((p) => (
          <g key={p}>
            <line class="grid-line" x1={gutter} x2={gutter + room} y1={y(p)} y2={y(p)} />
            <text class="small" x={gutter - 5} y={y(p) + 4} text-anchor="end">
              {p}
            </text>
          </g>
        ))}
        {threshold !== null && threshold <= 1 && (
          <line class="threshold" x1={gutter} x2={gutter + room} y1={y(threshold)} y2={y(threshold)} />
        )}
        <g clip-path="url(#plot)">
          {classes.map((each, place) => {
              if (!each.is_event) return null;
              const points = curve.flatMap((window) => {
                const p = window.probabilities?.[each.name];
                return p === undefined || p === null ? [] : [[x((window.start_s + window.end_s) / 2), y(p)] as const];
              });
              const seen = points.filter(([at]) => at >= gutter && at <= gutter + room);
              const peak = seen.reduce((best, point) => (point[1] < best[1] ? point : best), seen[0] ?? [0, 0]);
              return (
                <g key={each.name} class={`class-${place}`}>
                  <polyline
                    class="curve"
                    stroke-dasharray={DASHES[place % DASHES.length]}
                    points={points.map(([at, p]) => `${at.toFixed(1)},${p.toFixed(1)}`).join(" ")}
                  />
                  {seen.length > 0 && (
                    <text class="curve-name" x={peak[0]} y={Math.max(peak[1] - 4, 11)} text-anchor="middle">
                      {each.pattern_letter}
                    </text>
                  )}
                </g>
              );
            })}
        </g>
      </g>
    );
  }, [curve, threshold, width, view[0], view[1], classes]);

  const thumb = hover === null || !thumbs.length ? null : thumbs[nearest(thumbs.map((t) => t.time_s), hover)];
  return (
    <div class="timeline" ref={box}>
      <svg
        width={width}
        height={height}
        role="group"
        aria-label="Time line"
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerLeave={() => !dragged.current && setHover(null)}
      >
        <defs>
          <clipPath id="plot">
            <rect x={gutter - 7} y={0} width={room + 14} height={height} />
          </clipPath>
          <pattern id="pattern-0" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <path class="hatch" d="M0 0V6" />
          </pattern>
          <pattern id="pattern-1" width="6" height="6" patternUnits="userSpaceOnUse">
            <circle class="dot" cx="3" cy="3" r="1.2" />
          </pattern>
          <pattern id="pattern-2" width="6" height="6" patternUnits="userSpaceOnUse" />
          <pattern id="pattern-3" width="6" height="6" patternUnits="userSpaceOnUse">
            <path class="hatch" d="M0 3H6" />
          </pattern>
        </defs>
        {curves}
        {lanes.map((lane, place) => {
          const y = top + place * LANE;
          return (
            <g key={lane.name}>
              <rect class={lane.mine ? "lane mine" : "lane"} x={gutter} y={y + 2} width={room} height={LANE - 4} />
              <text class="lane-name" x={gutter - 10} y={y + LANE / 2 + 4} text-anchor="end">
                {width >= 640 ? lane.name : lane.short}
              </text>
              <g clip-path="url(#plot)">
                {lane.labels.map((label, at) => (
                  <Span key={at} label={label} classes={classes} x={x} x0={gutter} y={y} />
                ))}
                {lane.mine &&
                  lane.labels[0] &&
                  EDGES.map(({ edge, words: name }) => {
                    const time_s = lane.labels[0]![edge];
                    if (time_s === null) return null;
                    return (
                      <g
                        key={edge}
                        class="handle"
                        data-edge={edge}
                        role="slider"
                        tabindex={0}
                        aria-label={name}
                        aria-valuemin={view[0]}
                        aria-valuemax={view[1]}
                        aria-valuenow={time_s}
                        aria-valuetext={words(time_s)}
                        onKeyDown={(event) => arrows(event, (frames, seconds) => nudge(edge, frames, seconds))}
                      >
                        <rect class="grip" x={x(time_s) - 7} y={y + 1} width={14} height={LANE - 2} rx={3} />
                        <Mark edge={edge} x={x(time_s)} y={y} />
                      </g>
                    );
                  })}
              </g>
            </g>
          );
        })}
        {ticksOf(view, room).map((time_s) => (
          <g key={time_s}>
            <line class="tick" x1={x(time_s)} x2={x(time_s)} y1={height - AXIS} y2={height - AXIS + 5} />
            <text class="small" x={x(time_s)} y={height - 5} text-anchor="middle">
              {short(time_s)}
            </text>
          </g>
        ))}
        <g
          class="playhead"
          role="slider"
          tabindex={0}
          aria-label="Time"
          aria-valuemin={view[0]}
          aria-valuemax={view[1]}
          aria-valuenow={now_s}
          aria-valuetext={words(now_s)}
          clip-path="url(#plot)"
          onKeyDown={(event) =>
            arrows(event, (frames, seconds) => (frames ? step(frames) : seek(Math.max(now_s + seconds, 0))))
          }
        >
          <line x1={x(now_s)} x2={x(now_s)} y1={0} y2={height - AXIS} />
          <path d={`M${x(now_s) - 6} ${height - AXIS + 9}h12l-6 -9z`} />
        </g>
        {hover !== null && <line class="hover" x1={x(hover)} x2={x(hover)} y1={0} y2={height - AXIS} />}
      </svg>
      {hover !== null && (
        <div class="hover-card" style={{ left: `${within(x(hover), 86, width - 86)}px` }}>
          {thumb && <img src={thumb.url} alt="" />}
          <span>{words(hover)}</span>
        </div>
      )}
    </div>
  );
}

interface SpanProps {
  label: MomentLabel;
  classes: EventClass[];
  x: (time_s: number) => number;
  x0: number;
  y: number;
}

/** A label in its lane: the span in the colour, pattern and letter of its class, the moment and the alert as marks. */
function Span({ label, classes, x, x0, y }: SpanProps) {
  const found = classes.find((each) => each.name === label.event_class);
  const place = found ? classes.indexOf(found) : 0;
  const from = label.start_s ?? label.time_s;
  const to = label.end_s ?? label.time_s;
  if (!found) return null;
  if (from === null || to === null)
    return (
      <text class="no-times" x={x0 + 8} y={y + LANE / 2 + 4}>
        {found.pattern_letter} · {found.label}
        {found.is_event ? ", no time" : ""}
      </text>
    );
  const width = Math.max(x(to) - x(from), 3);
  return (
    <g class={`class-${place}`}>
      <rect class="span" x={x(from)} y={y + 5} width={width} height={LANE - 10} rx={2} />
      <rect fill={`url(#pattern-${place % 4})`} x={x(from)} y={y + 5} width={width} height={LANE - 10} rx={2} />
      <text
        class={width > 34 ? "span-name" : ""}
        x={width > 34 ? x(from) + 8 : x(to) + 12}
        y={y + LANE / 2 + 4}
      >
        {found.pattern_letter}
      </text>
      {label.time_s !== null && <Mark edge="time_s" x={x(label.time_s)} y={y} />}
      {label.alert_time_s !== null && <Mark edge="alert_time_s" x={x(label.alert_time_s)} y={y} />}
    </g>
  );
}

/** Event: a diamond; alert: a triangle; start and end: brackets. */
function Mark({ edge, x, y }: { edge: Edge; x: number; y: number }) {
  const middle = y + LANE / 2;
  const shapes: Record<Edge, string> = {
    time_s: `M${x} ${middle - 7}l6 7l-6 7l-6 -7z`,
    alert_time_s: `M${x} ${middle - 6}l6 11h-12z`,
    start_s: `M${x + 4} ${y + 4}h-5v${LANE - 8}h5`,
    end_s: `M${x - 4} ${y + 4}h5v${LANE - 8}h-5`,
  };
  return <path class={`mark ${edge === "start_s" || edge === "end_s" ? "bracket" : "point"}`} d={shapes[edge]} />;
}
