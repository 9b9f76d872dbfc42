// SPDX-License-Identifier: Apache-2.0
/** The figures of all runs as lines: each server's own median, and ours beside each peer's. */
import { printFigure } from "../../bench-line.ts";
import { FULL_CORE, type FlowResult, type RunResult } from "./measure.ts";
import { MUSTER } from "./muster-server.ts";

type Values = { readonly [metric: string]: { readonly value: number; readonly unit: string } };

/** Of one run. A flow in which the server waited for its load has no speed. */
function valuesOf(run: RunResult, deviceCount: number): Values {
  const { baseBytes, idleBytes, afterBytes, lastInformedMs, reports } = run;
  const each = (bytes: number): number => (bytes - baseBytes) / deviceCount;
  return {
    "base RSS": { value: baseBytes, unit: "bytes" },
    "idle RSS": { value: idleBytes, unit: "bytes" },
    "idle RSS a connection": { value: each(idleBytes), unit: "bytes" },
    "RSS after traffic": { value: afterBytes, unit: "bytes" },
    "RSS a connection after traffic": { value: each(afterBytes), unit: "bytes" },
    "CPU a connect": { value: run.connectCpuUs, unit: "µs" },
    ...flowValues("heartbeats", run.heartbeats),
    ...flowValues("telemetry", run.telemetry),
    ...(reports === null ? {} : flowValues("reports", reports)),
    ...(lastInformedMs === null
      ? {}
      : { "command to the last device": { value: lastInformedMs, unit: "ms" } }),
  };
}

function flowValues(name: string, flow: FlowResult): Values {
  const cores = { value: flow.coresUsed, unit: "cores" };
  if (flow.coresUsed < FULL_CORE) return { [`${name}, cores used, not counted`]: cores };
  return {
    [`${name} a CPU second`]: { value: flow.perCpuSecond, unit: "1/s" },
    [`${name} by the clock`]: { value: flow.perSecond, unit: "1/s" },
    [`${name}, cores used`]: cores,
    [`${name}, p99`]: { value: flow.p99Ms, unit: "ms" },
  };
}

export function printRuns(
  deviceCount: number,
  runs: ReadonlyMap<string, readonly RunResult[]>,
): void {
  const bench = "gateway";
  const base = `${deviceCount.toLocaleString("en-US")} devices, plain`;
  const medians = new Map(
    [...runs].map(([name, results]) => [
      name,
      mediansOf(results.map((run) => valuesOf(run, deviceCount))),
    ]),
  );
  for (const [name, values] of medians) {
    for (const [metric, figure] of Object.entries(values)) {
      printFigure({ bench, case: `${base}, ${name}`, metric, ...figure });
    }
  }
  const ours = medians.get(MUSTER) ?? {};
  for (const [metric, figure] of Object.entries(ours)) {
    if (figure.unit === "cores") continue;
    for (const [peer, values] of medians) {
      const other = values[metric];
      if (peer === MUSTER || other === undefined) continue;
      const ratio = figure.value / other.value;
      printFigure({ bench, case: `${base}, ${MUSTER}`, metric, ...figure, peer, ratio });
    }
  }
}

/** Of each metric over the runs that have it. */
function mediansOf(runs: readonly Values[]): Values {
  const metrics = new Set(runs.flatMap((run) => Object.keys(run)));
  return Object.fromEntries(
    [...metrics].map((metric) => {
      const found = runs.flatMap((run) => (run[metric] === undefined ? [] : [run[metric]]));
      const values = found.map(({ value }) => value).toSorted((one, other) => one - other);
      const value = values[Math.floor(values.length / 2)] ?? NaN;
      return [metric, { value, unit: found[0]?.unit ?? "" }];
    }),
  );
}
