// SPDX-License-Identifier: Apache-2.0
//
// A play of a rollout as a picture for a page: who has accepted, who has succeeded, who is unproven
// and how many may be, over time; a line where each wave opened.

import { init } from "echarts";
import type { Play, TimelinePoint } from "../../center/rehearsal/rehearsal.ts";

const WIDTH = 720;
const HEIGHT = 280;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** From so many hours on, time is told in hours. */
const HOURS_FROM_MS: number = 3 * HOUR_MS;

/** Told apart without colour by their places: accepted is above succeeded, unproven below both. */
const COLOURS = {
  accepted: "#2563eb",
  succeeded: "#15803d",
  unproven: "#d97706",
  failed: "#dc2626",
};

/** SVG text; the same play gives the same text. */
export function drawPlay(play: Play, options: { title: string; blastRadius: number }): string {
  const { timeline } = play;
  const endMs = timeline.at(-1)?.atMs ?? 0;
  const unit = endMs >= HOURS_FROM_MS ? { ms: HOUR_MS, name: "h" } : { ms: MINUTE_MS, name: "min" };
  const line = (name: keyof typeof COLOURS, of: (point: TimelinePoint) => number): object => ({
    name,
    type: "line",
    step: "end",
    showSymbol: false,
    itemStyle: { color: COLOURS[name] },
    lineStyle: { color: COLOURS[name], width: 2 },
    data: timeline.map((point) => [point.atMs / unit.ms, of(point)]),
  });
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: {
      text: options.title,
      left: 8,
      top: 4,
      textStyle: { fontSize: 13, fontWeight: "normal" },
    },
    legend: { right: 8, top: 4, itemHeight: 8, textStyle: { fontSize: 11 } },
    grid: { left: 52, right: 40, top: 40, bottom: 28 },
    xAxis: {
      type: "value",
      name: unit.name,
      nameGap: 6,
      min: 0,
      max: endMs / unit.ms,
      axisLabel: { showMaxLabel: false },
    },
    yAxis: { type: "value", minInterval: 1 },
    series: [
      { ...line("accepted", ({ exposed }) => exposed), markLine: waveLines(timeline, unit.ms) },
      line("succeeded", ({ succeeded }) => succeeded),
      { ...line("unproven", ({ unproven }) => unproven), markLine: limitLine(options.blastRadius) },
      ...(play.failures > 0 ? [line("failed", ({ failures }) => failures)] : []),
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${svg}\n`;
}

function waveLines(timeline: readonly TimelinePoint[], unitMs: number): object {
  const opened = timeline.filter((point, index) => {
    return point.waveCount > (timeline[index - 1]?.waveCount ?? 0);
  });
  return {
    symbol: "none",
    silent: true,
    lineStyle: { color: "#9ca3af", type: "dashed", width: 1 },
    label: { formatter: "{b}", fontSize: 10, color: "#6b7280" },
    data: opened.map(({ atMs, waveCount }) => ({ xAxis: atMs / unitMs, name: String(waveCount) })),
  };
}

function limitLine(blastRadius: number): object {
  return {
    symbol: "none",
    silent: true,
    lineStyle: { color: COLOURS.unproven, type: "dotted", width: 1 },
    label: { formatter: String(blastRadius), fontSize: 10, color: COLOURS.unproven },
    data: [{ yAxis: blastRadius }],
  };
}
