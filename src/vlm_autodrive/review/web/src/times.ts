/** Times: how they are written, cited in a text, and found among frames. */

import type { Piece } from "./records";

/** 75.25 as "1:15.25"; below a minute as "2.35 s". */
export function clock(time_s: number): string {
  const hundredths = Math.round(time_s * 100);
  const seconds = (hundredths % 6000) / 100;
  const minutes = Math.floor(hundredths / 6000);
  if (!minutes) return `${seconds.toFixed(2)} s`;
  const rest = seconds.toFixed(2).padStart(5, "0");
  return minutes < 60
    ? `${minutes}:${rest}`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${rest}`;
}

/** Place of the last of the rising times that is not after time_s; 0 if all are. */
export function frameAt(times: number[], time_s: number): number {
  let [low, high] = [0, times.length - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (times[middle]! <= time_s + 1e-6) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** Place of the time that is nearest. */
export function nearest(times: number[], time_s: number): number {
  const place = frameAt(times, time_s);
  const after = times[place + 1];
  return after !== undefined && after - time_s < time_s - times[place]! ? place + 1 : place;
}

/** A reasoning trace, cut at its citations such as [t=12.3]. */
export function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let end = 0;
  for (const match of text.matchAll(/\[t\s*=\s*(\d+(?:\.\d+)?)\s*s?\]/g)) {
    if (match.index > end) found.push({ text: text.slice(end, match.index), time_s: null });
    found.push({ text: match[0], time_s: Number(match[1]) });
    end = match.index + match[0].length;
  }
  if (end < text.length) found.push({ text: text.slice(end), time_s: null });
  return found;
}

export const within = (time_s: number, low: number, high: number) => Math.min(Math.max(time_s, low), high);
