// SPDX-License-Identifier: Apache-2.0
/**
 * `npm run bench rollout [-- --quick | --devices N … | --kill | --profile FOLDER | --from-source]`:
 * one rollout to 10,000, 100,000 and 1,000,000 devices, from `start` to all succeeded, through the
 * real center: `muster center` as it is published, with its Store and EventLog, real gateway
 * streams, three reports a device.
 *
 * Compared, in the same run, with bare SQLite that updates one row a report in perfect key order.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import { printFigure, type BenchFigure } from "../bench-line.ts";
import { quantile } from "./rollout/asker.ts";
import { readOptions, type BenchOptions } from "./rollout/bench-options.ts";
import { installBuilt } from "./rollout/installed.ts";
import { measurePace } from "./rollout/floor-process.ts";
import type { Pace } from "./rollout/floor.ts";
import { runRollout, type RunOptions, type RunResult } from "./rollout/run.ts";

const FLOOR = "bare SQLite, one row a report, in key order";
const PREVIOUS_SIZE = "a tenth of the devices";

const options = readOptions(process.argv.slice(2));
await main(options);

async function main({ sizes, fromSource, ...rest }: BenchOptions): Promise<void> {
  const installed = await mkdtemp(join(tmpdir(), "muster-installed-"));
  try {
    const launcher = fromSource ? "" : await installBuilt(installed);
    await measureAll(sizes, { ...rest, launcher });
  } finally {
    await rm(installed, { recursive: true, force: true });
  }
}

async function measureAll(
  sizes: readonly number[],
  rest: Pick<RunOptions, "kill" | "profile" | "launcher">,
): Promise<void> {
  let smaller: { deviceCount: number; seconds: number } | null = null;
  for (const deviceCount of sizes) {
    const folder = await mkdtemp(join(tmpdir(), "muster-bench-"));
    try {
      const load = loadavg()[0] ?? 0;
      const floor = await measurePace({ folder, deviceCount, batchReports: 0 });
      const say = (text: string): void => console.error(text);
      const result = await runRollout({ ...rest, folder, deviceCount, say });
      const batchReports = reportsACycle(result);
      const pages = await measurePace({ folder, deviceCount, batchReports });
      for (const figure of figuresOf(deviceCount, result, floor, pages)) print(figure);
      print({ metric: "load average before", value: load, unit: "processes", deviceCount });
      if (smaller !== null && deviceCount === smaller.deviceCount * 10) {
        const ratio = result.seconds / smaller.seconds;
        const value = result.seconds;
        const metric = "seconds, beside a tenth";
        print({ deviceCount, metric, value, unit: "s", peer: PREVIOUS_SIZE, ratio });
      }
      smaller = { deviceCount, seconds: result.seconds };
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }
}

/** Of a center that was killed, since then. */
function reportsACycle({ reportCount, cycleCount, kill }: RunResult): number {
  const count = reportCount - (kill?.reportCount ?? 0);
  return Math.max(1, Math.round(count / Math.max(1, cycleCount)));
}

type Figure = Omit<BenchFigure, "bench" | "case"> & { readonly deviceCount: number };

function figuresOf(
  deviceCount: number,
  result: RunResult,
  floor: Pace,
  pages: Pace,
): readonly Figure[] {
  const { seconds, facts, answers } = result;
  const perSecond = result.reportCount / seconds;
  const beside = (
    value: number,
    peersValue = floor.perSecond,
  ): Pick<Figure, "value" | "peer" | "ratio" | "unit"> => ({
    value: Math.round(value),
    unit: "1/s",
    peer: FLOOR,
    ratio: value / peersValue,
  });
  const perCpuSecond = result.reportCount / result.cpuSeconds;
  const allCpuSeconds = result.cpuSeconds + result.gatewayCpuSeconds;
  const { kill } = result;
  return [
    { metric: "start to all succeeded", value: seconds, unit: "s" },
    { metric: "plan", value: result.planSeconds, unit: "s" },
    { metric: "reports", ...beside(perSecond) },
    { metric: "reports a CPU second", ...beside(perCpuSecond, floor.perCpuSecond) },
    { metric: "reports, Store alone", ...beside(pages.perSecond) },
    {
      metric: "reports a CPU second, Store alone",
      ...beside(pages.perCpuSecond, floor.perCpuSecond),
    },
    { metric: "reports a cycle", value: reportsACycle(result), unit: "reports" },
    { metric: "floor", value: Math.round(floor.perSecond), unit: "1/s" },
    { metric: "floor, a CPU second", value: Math.round(floor.perCpuSecond), unit: "1/s" },
    { metric: "center CPU", value: result.cpuSeconds, unit: "s" },
    { metric: "gateways CPU", value: result.gatewayCpuSeconds, unit: "s" },
    { metric: "gateways' share", value: result.gatewayCpuSeconds / allCpuSeconds, unit: "share" },
    { metric: "center RSS, peak", value: facts.peakRssBytes, unit: "bytes" },
    { metric: "center RSS, median", value: quantile(result.rssBytes, 0.5), unit: "bytes" },
    { metric: "center RSS, end", value: facts.rssBytes, unit: "bytes" },
    { metric: "written to storage", value: result.storageBytes, unit: "bytes" },
    { metric: "Store and EventLog files", value: result.fileBytes, unit: "bytes" },
    ...Object.entries(answers).flatMap(([question, times]) => [
      { metric: `${question}, p50`, value: quantile(times, 0.5), unit: "ms" },
      { metric: `${question}, p99`, value: quantile(times, 0.99), unit: "ms" },
    ]),
    { metric: "succeeded", value: result.succeededCount, unit: "devices" },
    ...(kill === null
      ? []
      : [
          { metric: "killed after", value: kill.reportCount, unit: "reports" },
          { metric: "kill to all connected", value: kill.recoverySeconds, unit: "s" },
        ]),
  ].map((figure) => ({ ...figure, deviceCount }));
}

function print({ deviceCount, ...figure }: Figure): void {
  const count = deviceCount.toLocaleString("en-US");
  const kill = options.kill ? ", killed once" : "";
  printFigure({ bench: "rollout", case: `${count} devices${kill}`, ...figure });
}
