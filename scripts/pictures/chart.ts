// SPDX-License-Identifier: Apache-2.0
//
// Counts over time as SVG text, the same way in every picture: steps, dashed lines where something
// happened, dotted lines for limits.

import { init } from "echarts";

const WIDTH = 720;
const HEIGHT = 280;
const MINUTE_MS = 60_000;
const HOUR_MS: number = 60 * MINUTE_MS;
/** From so many hours on, time is told in hours. */
const HOURS_FROM_MS: number = 3 * HOUR_MS;

export interface ChartSeries {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly (readonly [atMs: number, value: number])[];
  /** null: none. */
  readonly limit: number | null;
}

export interface Chart {
  readonly title: string;
  readonly endMs: number;
  readonly series: readonly ChartSeries[];
  readonly marks: readonly { readonly atMs: number; readonly label: string }[];
}

/** The same chart gives the same text. */
export function chartText({ title, endMs, series, marks }: Chart): string {
  const unit = endMs >= HOURS_FROM_MS ? { ms: HOUR_MS, name: "h" } : { ms: MINUTE_MS, name: "min" };
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height: HEIGHT });
  chart.setOption({
    animation: false,
    backgroundColor: "#ffffff",
    title: { text: title, left: 8, top: 4, textStyle: { fontSize: 13, fontWeight: "normal" } },
    legend: { right: 8, top: 4, itemHeight: 8, textStyle: { fontSize: 11 } },
    grid: { left: 52, right: 40, top: 52, bottom: 28 },
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
      ...series.map(({ name, colour, points, limit }) => ({
        name,
        type: "line",
        step: "end",
        showSymbol: false,
        itemStyle: { color: colour },
        lineStyle: { color: colour, width: 2 },
        data: points.map(([atMs, value]) => [atMs / unit.ms, value]),
        ...(limit === null ? {} : { markLine: limitLine(limit, colour) }),
      })),
      { type: "line", data: [], markLine: markLines(marks, unit.ms) },
    ],
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return `${renumbered(svg)}\n`;
}

/** Charts and classes are numbered as a process draws them; here, as the text names them. */
function renumbered(svg: string): string {
  const classes = new Map<string, string>();
  return svg.replaceAll(/zr\d+-/g, "zr-").replaceAll(/\bcls-\d+/g, (name) => {
    const known = classes.get(name) ?? `cls-${classes.size}`;
    classes.set(name, known);
    return known;
  });
}

function markLines(marks: Chart["marks"], unitMs: number): object {
  // Neighbours stand at two heights.
  return {
    symbol: "none",
    silent: true,
    lineStyle: { color: "#9ca3af", type: "dashed", width: 1 },
    label: { formatter: "{b}", fontSize: 10, color: "#6b7280" },
    data: marks.map(({ atMs, label }, index) => ({
      xAxis: atMs / unitMs,
      name: label,
      label: { distance: index % 2 === 0 ? 4 : 15 },
    })),
  };
}

function limitLine(limit: number, colour: string): object {
  return {
    symbol: "none",
    silent: true,
    lineStyle: { color: colour, type: "dotted", width: 1 },
    label: { formatter: String(limit), fontSize: 10, color: colour },
    data: [{ yAxis: limit }],
  };
}
