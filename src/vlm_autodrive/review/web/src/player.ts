/** Frame-exact playing of an item that lies in one or more files. */

import { get } from "./api";
import type { MediaAnswer, MediaPlace } from "./records";
import { frameAt, nearest, within } from "./times";

export const SPEEDS = [0.1, 0.25, 0.5, 1, 2, 4];
const POLL_MS = 400;
/** A frame is asked for a little after its time, since the browser rounds times. */
const A_LITTLE_S = 0.002;

/**
 * Plays by the server's list of presentation times: a step goes to the next time in it, and the frame that the browser
 * shows (requestVideoFrameCallback) says where we are. `changed` is called whenever anything is different.
 */
export class Player {
  /** Which file is open, and what the server says of it. */
  place = 0;
  media: MediaAnswer | null = null;
  /** Which frame of the open file is on the screen. */
  frame = 0;
  problem = "";
  rate = 1;
  /** Seconds that play over and over; null to play on. */
  loop: [number, number] | null = null;
  /** How many times as fast it runs backwards; 0 if it does not. */
  reverse = 0;
  private times: number[] = [0];
  /** The browser's time of the file's first frame: not 0 where sound begins before the picture. */
  private offset = 0;
  /** The frame that was asked for and is not yet shown. */
  private wanted: number | null = null;
  /** The frame that was asked for last, shown or not. */
  private sought = 0;
  /** Steps that were asked for while a file was opened. */
  private queued = 0;
  private opening = 0;
  /** Whether a file is open, so that times are known. */
  ready = false;

  constructor(
    readonly video: HTMLVideoElement,
    readonly files: MediaPlace[],
    private readonly changed: () => void,
  ) {
    video.addEventListener("ended", () => this.ended());
    video.addEventListener("play", changed);
    video.addEventListener("pause", changed);
    video.addEventListener("seeked", () => {
      setTimeout(() => this.settle(false), 300);
      setTimeout(() => this.settle(true), 1000);
    });
    video.addEventListener("error", () => {
      if (!video.getAttribute("src")) return;
      this.problem = "The browser cannot play this file.";
      changed();
    });
    const heard = (_: number, shown: VideoFrameCallbackMetadata) => {
      this.shown(shown.mediaTime);
      video.requestVideoFrameCallback(heard);
    };
    video.requestVideoFrameCallback(heard);
  }

  get start_s() {
    return this.files[this.place]!.start_s;
  }

  /** The item's time of the frame on the screen. */
  get time_s() {
    return this.start_s + this.times[this.frame]!;
  }

  /** The item's time of the frame that was asked for last. */
  get target_s() {
    return this.start_s + this.times[this.wanted ?? this.frame]!;
  }

  get playing() {
    return !this.video.paused || this.reverse > 0;
  }

  /** What a screen reader says of a time. */
  words(time_s: number): string {
    const inside = time_s - this.start_s;
    const last = this.times.length - 1;
    const isHere = this.ready && inside >= -1e-6 && (inside <= this.times[last]! + 1 || this.files.length === 1);
    return isHere ? `${time_s.toFixed(2)} s, frame ${frameAt(this.times, inside)}` : `${time_s.toFixed(2)} s`;
  }

  /** Show the frame at a time of the item, in whichever file it lies. */
  async seek(time_s: number): Promise<void> {
    const found = this.files.findLastIndex((file) => file.start_s <= time_s + 1e-6);
    const place = Math.max(found, 0);
    if (place === this.place && this.ready) return this.ask(frameAt(this.times, time_s - this.start_s));
    await this.open(place, time_s);
  }

  /** Go so many frames on or back, across the cut between two files too. */
  async step(frames: number): Promise<void> {
    this.pause();
    if (!this.ready) {
      this.queued += frames;
      return;
    }
    const to = (this.wanted ?? this.frame) + frames;
    if (to < 0 && this.place > 0) await this.open(this.place - 1, Infinity);
    else if (to >= this.times.length && this.place + 1 < this.files.length) await this.open(this.place + 1, -Infinity);
    else this.ask(within(to, 0, this.times.length - 1));
  }

  play() {
    this.reverse = 0;
    this.video.playbackRate = this.rate;
    if (this.video.ended && this.loop) void this.seek(this.loop[0]);
    this.video.play().catch(() => this.changed());
  }

  pause() {
    this.reverse = 0;
    this.video.pause();
  }

  toggle() {
    if (this.playing) this.pause();
    else this.play();
    this.changed();
  }

  setRate(rate: number) {
    this.rate = rate;
    this.video.playbackRate = rate;
    this.changed();
  }

  faster(by: number) {
    const at = SPEEDS.findIndex((speed) => speed >= this.rate);
    this.setRate(SPEEDS[within(at + by, 0, SPEEDS.length - 1)]!);
  }

  /** As on an editing desk: each press in the same direction doubles the speed. */
  shuttle(direction: 1 | -1) {
    if (direction > 0) {
      if (!this.video.paused) this.setRate(Math.min(this.rate * 2, 4));
      this.play();
    } else if (this.reverse) this.reverse = Math.min(this.reverse * 2, 4);
    else {
      this.video.pause();
      this.reverse = 1;
      this.runBack(this.target_s, performance.now());
    }
    this.changed();
  }

  /** Browsers do not play backwards, so frames are sought one by one as the clock goes. */
  private runBack(from_s: number, since: number) {
    const rate = this.reverse;
    const turn = () => {
      if (!this.reverse) return;
      if (this.reverse !== rate) return this.runBack(this.target_s, performance.now());
      const time_s = from_s - (rate * (performance.now() - since)) / 1000;
      if (time_s <= 0) this.reverse = 0;
      if (this.wanted === null && this.ready) void this.seek(Math.max(time_s, 0));
      requestAnimationFrame(turn);
    };
    turn();
  }

  private async open(place: number, time_s: number): Promise<void> {
    const turn = ++this.opening;
    const wasPlaying = !this.video.paused;
    this.place = place;
    this.ready = false;
    this.problem = "";
    this.media = null;
    this.times = [0];
    this.frame = 0;
    this.wanted = null;
    try {
      do {
        if (this.media) await new Promise((done) => setTimeout(done, POLL_MS));
        const reply = await get<MediaAnswer>(`/api/media/${this.files[place]!.media_id}`);
        if (turn !== this.opening) return;
        this.media = reply.body;
        this.changed();
      } while (this.media.state === "making");
    } catch (error) {
      if (turn === this.opening) this.problem = (error as Error).message;
      return this.changed();
    }
    if (this.media.state === "failed") {
      this.problem = this.media.reason || "This file cannot be shown.";
      return this.changed();
    }
    this.times = this.media.times_s.length ? this.media.times_s : [0];
    this.offset = await this.load(this.media.url);
    if (turn !== this.opening) return;
    this.ready = true;
    this.video.playbackRate = this.rate;
    this.ask(frameAt(this.times, time_s - this.start_s));
    if (wasPlaying) this.play();
    const queued = this.queued;
    this.queued = 0;
    if (queued) await this.step(queued);
    this.changed();
  }

  /** Load a file; the browser's time of its first frame. */
  private load(url: string): Promise<number> {
    return new Promise((done) => {
      const { video } = this;
      video.requestVideoFrameCallback((_, shown) => done(shown.mediaTime));
      // In a tab that nobody sees no frame is drawn: then the first is taken to be at 0.
      video.addEventListener("loadeddata", () => setTimeout(() => done(0), 1000), { once: true });
      video.src = url;
    });
  }

  private ask(frame: number) {
    const { times } = this;
    this.wanted = this.sought = frame;
    const length_s = (times[frame + 1] ?? times[frame]! + 0.02) - times[frame]!;
    this.video.currentTime = this.offset + times[frame]! + Math.min(A_LITTLE_S, length_s / 2);
    this.changed();
  }

  /**
   * A seek ended some time ago. A browser that shows the same frame as before says nothing; in a tab that nobody sees it
   * never does. A busy one may tell of the frame before the seek only when the seek is done, or of none at all.
   */
  private settle(isLongAgo: boolean) {
    const frame = this.sought;
    if (!this.ready || this.video.seeking || frameAt(this.times, this.video.currentTime - this.offset) !== frame) return;
    const isUntold = this.wanted === frame && (isLongAgo || this.frame === frame || document.hidden);
    const isLate = this.wanted === null && this.video.paused && this.frame !== frame;
    if (isUntold || isLate) this.arrive(frame);
  }

  private shown(mediaTime: number) {
    if (this.ready) this.arrive(nearest(this.times, mediaTime - this.offset));
  }

  /** A frame is on the screen: the one that was asked for, or one that plays. */
  private arrive(frame: number) {
    if (this.wanted !== null && frame !== this.wanted && this.video.seeking) return; // a frame of before the seek
    this.wanted = null;
    this.frame = frame;
    if (this.loop && !this.video.paused && this.time_s >= this.loop[1] - 1e-6) void this.seek(this.loop[0]);
    this.changed();
  }

  private ended() {
    if (this.loop) void this.seek(this.loop[0]).then(() => this.play());
    else if (this.place + 1 < this.files.length)
      void this.open(this.place + 1, -Infinity).then(() => this.play());
    this.changed();
  }
}
