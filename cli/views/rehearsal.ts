// SPDX-License-Identifier: Apache-2.0
/** A rehearsal as a person reads it: how long, whom a bad release would reach, and a picture. */
import { plot } from "simple-ascii-chart";
import type { Json } from "../../ports/store.ts";
import { RehearsalOutlineSchema } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { toPlainData } from "../output/plain-data.ts";
import { renderTable } from "../output/table.ts";
import { countOf, formatCount, formatElapsed } from "../output/units.ts";
import type { Rehearsal, RehearsedCase, Spread } from "../rehearsal.ts";
import { factLines } from "./fact-lines.ts";

const PLOT_COLUMNS = 56;
const PLOT_ROWS = 10;

export function rehearsalLines(
  name: string,
  { outline, cases }: Rehearsal,
  terminalWidth: number | null,
): string[] {
  const { plan } = outline;
  return [
    `Rehearsal of rollout ${name}: ${countOf(plan?.deviceCount ?? 0, "device")}, ` +
      `${countOf(plan?.waves.length ?? 0, "wave")}, nothing was changed`,
    "",
    ...factLines([
      ["installs", `${formatElapsed(Number(outline.medianWorkMs))}: ${outline.workSource}`],
      ["online", outline.onlineSource],
      ["worst case", `${countOf(plan?.blastRadiusBound ?? 0, "device")} unproven at any moment`],
      ["plays", `${outline.playCount} in all; ranges are of all plays of a line`],
    ]),
    "",
    ...renderTable({
      terminalWidth,
      rows: cases,
      columns: [
        { title: "BREAKS", align: "right", cell: ({ brokenPercent }) => `${brokenPercent} %` },
        { title: "ENDS", cell: endsText },
        { title: "AFTER", cell: ({ durationMs }) => spreadText(durationMs, formatElapsed) },
        { title: "REACHES", cell: ({ exposed }) => spreadText(exposed, formatCount) },
        { title: "UNPROVEN", cell: ({ maxUnproven }) => spreadText(maxUnproven, formatCount) },
      ],
    }),
    ...cases.flatMap(pictureLines),
  ];
}

/** The same for programs. */
export function rehearsalData(name: string, { outline, cases }: Rehearsal): Json {
  return {
    name,
    outline: toPlainData(RehearsalOutlineSchema, outline),
    cases: cases.map(({ durationMs, exposed, maxUnproven, timeline, ...rest }) => ({
      ...rest,
      durationMs: { ...durationMs },
      exposed: { ...exposed },
      maxUnproven: { ...maxUnproven },
      timeline: timeline.map((point) => ({
        atMs: Number(point.atMs),
        exposed: point.exposed,
        succeeded: point.succeeded,
        failures: point.failures,
        unproven: point.unproven,
        waveCount: point.waveCount,
      })),
    })),
  };
}

function endsText({ endsByState, playCount }: RehearsedCase): string {
  return Object.entries(endsByState)
    .map(([state, count]) => (count === playCount ? state : `${state} ${count}/${playCount}`))
    .join(", ");
}

function spreadText({ median, low, high }: Spread, format: (value: number) => string): string {
  const middle = format(median);
  const range = [format(low), format(high)];
  return range.every((end) => end === middle) ? middle : `${middle} (${range.join("–")})`;
}

/** Who has the release over time, in the middle play: for the good release and the worst one. */
function pictureLines(
  { brokenPercent, timeline, stateReason }: RehearsedCase,
  index: number,
  cases: readonly RehearsedCase[],
): string[] {
  const endMs = Number(timeline.at(-1)?.atMs ?? 0n);
  if (endMs === 0 || (index !== 0 && index !== cases.length - 1)) return [];
  const line = (count: "exposed" | "unproven"): [number, number][] =>
    timeline.map((point) => [Number(point.atMs), point[count]]);
  const exposed = line("exposed");
  const top = Math.max(1, ...exposed.map(([, count]) => count));
  const picture = plot([exposed, line("unproven")], {
    width: PLOT_COLUMNS,
    height: PLOT_ROWS,
    yRange: [0, top],
    customYAxisTicks: [0, Math.round(top / 2), top],
    customXAxisTicks: [0, endMs / 2, endMs],
    formatter: (value, { axis }) => (axis === "x" ? formatElapsed(value) : formatCount(value)),
  });
  return [
    "",
    `${brokenPercent} % broken: devices that have accepted (above) and are unproven (below)`,
    ...picture
      .split("\n")
      .map((text) => text.trimEnd())
      .filter((text) => text !== ""),
    stateReason,
  ];
}
