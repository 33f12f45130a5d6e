/** What labels are made of: badges, their edges, and how two are compared. */

import type { Edge, EventClass, ModelAnswer, MomentLabel } from "./records";
import { clock } from "./times";

export const EDGES: { edge: Edge; words: string; key: string; mark: string }[] = [
  { edge: "alert_time_s", words: "Alert", key: "w", mark: "▲" },
  { edge: "start_s", words: "Start", key: "i", mark: "[" },
  { edge: "time_s", words: "Moment", key: "m", mark: "◆" },
  { edge: "end_s", words: "End", key: "o", mark: "]" },
];

export const NOTHING: MomentLabel = { event_class: "", time_s: null, start_s: null, end_s: null, alert_time_s: null };

export function same(a: MomentLabel | null, b: MomentLabel | null): boolean {
  if (!a || !b) return a === b;
  return a.event_class === b.event_class && EDGES.every(({ edge }) => a[edge] === b[edge]);
}

/** The label with one edge set; the others give way, so that an event starts, happens and ends in this order. */
export function withEdge(label: MomentLabel, edge: Edge, time_s: number | null): MomentLabel {
  const moved = { ...label, [edge]: time_s };
  if (time_s === null) return moved;
  const order = EDGES.map((each) => each.edge);
  const place = order.indexOf(edge);
  order.forEach((other, at) => {
    const value = moved[other];
    if (value !== null && (at < place ? value > time_s : value < time_s)) {
      // An alert may come before the start or after it; only the moment bounds it.
      if (edge === "time_s" || (other !== "alert_time_s" && edge !== "alert_time_s")) moved[other] = time_s;
    }
  });
  return moved;
}

/** The style names of a class by its place in the taxonomy: its colour and its pattern. */
export const looks = (place: number) => `class-${place} pattern-${place % 4}`;

export function Badge({ classes, name }: { classes: EventClass[]; name: string }) {
  const found = classes.find((each) => each.name === name);
  if (!found) return <span class="badge">{name || "not said"}</span>;
  return (
    <span class={`badge ${looks(classes.indexOf(found))}`}>
      <b aria-hidden="true">{found.pattern_letter}</b> {found.label}
    </span>
  );
}

/** A label in words: its class and when. */
export function Said({ classes, label }: { classes: EventClass[]; label: MomentLabel | null }) {
  if (!label) return <span class="faint">nothing</span>;
  return (
    <span>
      <Badge classes={classes} name={label.event_class} />
      {label.time_s !== null && <span class="num"> at {clock(label.time_s)}</span>}
    </span>
  );
}

/** The probability that anything happens. */
export function anyEvent(classes: EventClass[], chances: ModelAnswer["probabilities"]): number | null {
  if (!Object.keys(chances).length) return null;
  return classes.reduce((sum, each) => sum + (each.is_event ? (chances[each.name] ?? 0) : 0), 0);
}
