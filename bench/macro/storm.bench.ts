// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench storm [-- --quick | --rounds N --only NAME … --profile FOLDER]`: what devices
 * that behave notice of a storm: of reconnections, of telemetry, of malformed packets, of devices
 * that do not read.
 *
 * Each round runs each storm once, with a gateway of its own; medians of the rounds are printed.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { printFigure } from "../bench-line.ts";
import { buildMuster } from "./gateway/tools.ts";
import { malformedStorm } from "./storm/malformed.ts";
import { reconnectStorm } from "./storm/reconnect.ts";
import { resumedStorm } from "./storm/resumed.ts";
import { slowReadersStorm } from "./storm/slow-readers.ts";
import type { Figures, StormOptions } from "./storm/storm.ts";
import { telemetryStorm } from "./storm/telemetry.ts";

const STORMS: { readonly [name: string]: (options: StormOptions) => Promise<Figures> } = {
  reconnect: reconnectStorm,
  telemetry: telemetryStorm,
  malformed: malformedStorm,
  "slow readers": slowReadersStorm,
  // The last: it lowers the priority of this process, and of all that it starts from then on.
  resumed: resumedStorm,
};

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    only: { type: "string", multiple: true, default: [] },
    profile: { type: "string", default: "" },
  },
});
const [scale, timeScale] = values.quick ? [0.1, 0.3] : [1, 1];
const rounds = Number(values.rounds ?? (values.quick ? 1 : 3));
const names = Object.keys(STORMS).filter(
  (name) => values.only.length === 0 || values.only.includes(name),
);
const published = await mkdtemp(join(tmpdir(), "muster-bench-published-"));
const program = await buildMuster(published);
for (const name of names) {
  const results: Figures[] = [];
  for (let round = 1; round <= rounds; round += 1) {
    console.error(`round ${round}: ${name}`);
    const folder = await mkdtemp(join(tmpdir(), "muster-bench-storm-"));
    try {
      const sizes = { scale, timeScale };
      const figures = await STORMS[name]?.({ ...sizes, folder, program, profile: values.profile });
      if (figures !== undefined) results.push(figures);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
  printMedians(name, results);
}
await rm(published, { recursive: true, force: true });

function printMedians(name: string, results: readonly Figures[]): void {
  for (const [metric, [, unit]] of Object.entries(results[0] ?? {})) {
    const found = results.map((figures) => figures[metric]?.[0] ?? NaN);
    const value = found.toSorted((one, other) => one - other)[Math.floor(found.length / 2)] ?? NaN;
    printFigure({
      bench: "storm",
      case: `${name}, ${scale * 100} % of full size`,
      metric,
      value,
      unit,
    });
  }
}
