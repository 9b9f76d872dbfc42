// SPDX-License-Identifier: Apache-2.0
//
// A film as a picture for a page: its figures over time, lines where waves opened and where
// somebody did something, dotted lines for limits.

import { chartText, type ChartSeries } from "./chart.ts";
import type { Film } from "./film.ts";

export interface FilmedSeries {
  readonly name: string;
  readonly colour: string;
  /** The most that it may be; drawn dotted. */
  readonly limit?: number;
}

/** SVG text; the same film gives the same text. */
export function drawFilm(
  film: Film,
  options: { title: string; endMs: number; series: readonly FilmedSeries[] },
): string {
  const { title, endMs } = options;
  const series = options.series.map(({ name, colour, limit }, index): ChartSeries => ({
    name,
    colour,
    points: film.points.map(({ atMs, values }) => [atMs, values[index] ?? 0]),
    limit: limit ?? null,
  }));
  return chartText({ title, endMs, series, marks: film.marks });
}
