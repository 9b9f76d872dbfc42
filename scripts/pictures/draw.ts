// SPDX-License-Identifier: Apache-2.0
//
// A play of a rollout as a picture for a page: who has accepted, who has succeeded, who is unproven
// and how many may be, over time; a line where each wave opened.

import type { Play, TimelinePoint } from "../../center/rehearsal/rehearsal.ts";
import { chartText, type Chart, type ChartSeries } from "./chart.ts";

/** Told apart without colour by their places: accepted is above succeeded, unproven below both. */
export const COLOURS = {
  accepted: "#2563eb",
  succeeded: "#15803d",
  unproven: "#d97706",
  failed: "#dc2626",
};

/** SVG text; the same play gives the same text. */
export function drawPlay(play: Play, options: { title: string; blastRadius: number }): string {
  const { timeline } = play;
  const line = (
    name: keyof typeof COLOURS,
    of: (point: TimelinePoint) => number,
    limit: number | null = null,
  ): ChartSeries => ({
    name,
    colour: COLOURS[name],
    points: timeline.map((point) => [point.atMs, of(point)]),
    limit,
  });
  return chartText({
    title: options.title,
    endMs: timeline.at(-1)?.atMs ?? 0,
    series: [
      line("accepted", ({ exposed }) => exposed),
      line("succeeded", ({ succeeded }) => succeeded),
      line("unproven", ({ unproven }) => unproven, options.blastRadius),
      ...(play.failures > 0 ? [line("failed", ({ failures }) => failures)] : []),
    ],
    marks: wavesOpened(timeline),
  });
}

function wavesOpened(timeline: readonly TimelinePoint[]): Chart["marks"] {
  const opened = timeline.filter((point, index) => {
    return point.waveCount > (timeline[index - 1]?.waveCount ?? 0);
  });
  return opened.map(({ atMs, waveCount }) => ({ atMs, label: String(waveCount) }));
}
