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

/** What somebody says of an SFT sample; rejection is empty if it is accepted, or if checks have rejected it. */
export interface SampleLabel {
  accepted: boolean;
  target: string;
  rejection: string;
}

/** A piece of a text; time_s is the second that it cites, null of text between citations. */
export interface Piece {
  text: string;
  time_s: number | null;
  /** Whether the clip has no such second. */
  is_outside?: boolean;
}

export interface Sample {
  sample: {
    sample_id: string;
    type: string;
    topic: string;
    target: string;
    teacher: string;
    teacher_prompt_version: string;
    teacher_inputs: string[];
    outcome: string;
    checks: { name: string; passed: boolean; message: string }[];
  };
  question: Piece[];
  answer: Piece[];
  /** The class that the answer's code stands for; empty if it names none. */
  meaning: string;
}

export interface ReviewItem {
  item_id: string;
  kind: "event" | "moment" | "clip" | "sample";
  title: string;
  start_s: number;
  end_s: number;
  duration_s: number;
  label: MomentLabel | null;
  answers: ModelAnswer[];
  sample: Sample | null;
  slices: Record<string, string>;
  split: string | null;
  /** Why it cannot be shown; empty if it can. */
  problem: string;
}

export interface Correction<Label = MomentLabel> {
  correction_id: string;
  decision: "confirm" | "change" | "add" | "undo" | "accept" | "reject" | "correct";
  reviewer: string;
  at: string;
  before: Label | null;
  after: Label | null;
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

export interface ItemAnswer<Label = MomentLabel> {
  item: ReviewItem;
  decisions: Correction<Label>[];
  current: Label | null;
  taxonomy: EventClass[];
  media: MediaPlace[];
  thumbs: Thumb[];
  previous: string | null;
  next: string | null;
  position: number;
  queue_length: number;
  hide_answer: boolean;
  reviewer: string;
  /** Why a sample may be rejected, by the name in records. */
  reasons: Record<string, string>;
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
