/** The server's records as they come over HTTP. All times are seconds; of an item, in the item's own time. */

export interface MomentLabel {
  event_class: string;
  time_s: number | null;
  start_s: number | null;
  end_s: number | null;
  alert_time_s: number | null;
}

/** A time of a label that a reviewer can set. */
export type Edge = "alert_time_s" | "start_s" | "time_s" | "end_s";

export interface WindowScore {
  start_s: number;
  end_s: number;
  probabilities: Record<string, number> | null;
}

export interface ModelAnswer {
  model: string;
  /** Why it failed; empty if it did not. */
  reason: string;
  label: MomentLabel | null;
  probabilities: Record<string, number>;
  calibrated_probability: number | null;
  reasoning: string;
  cited_times_s: number[];
  /** The class that the reasoning comes to, and whether the answer names another. */
  reasoning_class: string | null;
  contradicts: boolean;
  threshold: number | null;
  alert_time_s: number | null;
  curve: { windows: WindowScore[] } | null;
}

export interface ReviewItem {
  item_id: string;
  kind: "event" | "moment" | "clip";
  title: string;
  start_s: number;
  end_s: number;
  duration_s: number;
  label: MomentLabel | null;
  answers: ModelAnswer[];
  slices: Record<string, string>;
  split: string | null;
  /** Why it cannot be shown; empty if it can. */
  problem: string;
}

export interface Correction {
  correction_id: string;
  decision: "confirm" | "change" | "add" | "undo";
  reviewer: string;
  at: string;
  before: MomentLabel | null;
  after: MomentLabel | null;
  reason: string;
  blind: boolean;
  undoes: string | null;
}

export interface EventClass {
  name: string;
  label: string;
  /** The letter that marks it where there is no room for the label. */
  pattern_letter: string;
  is_event: boolean;
}

/** One file of the item; start_s is the item's time of its first frame. */
export interface MediaPlace {
  media_id: string;
  start_s: number;
  duration_s: number;
}

export interface Thumb {
  time_s: number;
  url: string;
}

export interface ItemAnswer {
  item: ReviewItem;
  decisions: Correction[];
  current: MomentLabel | null;
  taxonomy: EventClass[];
  media: MediaPlace[];
  thumbs: Thumb[];
  previous: string | null;
  next: string | null;
  position: number;
  queue_length: number;
  hide_answer: boolean;
  reviewer: string;
}

/** times_s: when each frame is shown, in seconds after the file's first frame. */
export interface MediaAnswer {
  state: "ready" | "making" | "failed";
  progress: number;
  proxy: boolean;
  url: string;
  times_s: number[];
  reason: string;
}
