// SPDX-License-Identifier: Apache-2.0
/**
 * How early gates stop bad releases, and how often good ones: the product's rule beside what others
 * do, on the same rollouts from the same seeds.
 *
 *     npm run bench gate [-- --quick] [--runs N] [--devices N]
 *
 * One line a rule and true failure rate: share stopped, mean and median of the devices that had
 * accepted when it stopped (all that could be reached, when it did not). Lines with a `ratio`: mean
 * exposure over the four bad rates, ours divided by the rival's. The same seeds give the same
 * figures; the last line is their hash.
 */
import { createHash } from "node:crypto";
import { parseArgs } from "node:util";
import { printFigure } from "../bench-line.ts";
import { pretendRollout, type GateView, type World } from "./gate/pretend-rollout.ts";
import {
  comparedRules,
  FALSE_ALARM_PERCENT,
  LIMIT_PERCENT,
  MIN_SAMPLES,
  type ComparedRule,
} from "./gate/rules.ts";

const BAD_RATES: readonly number[] = [2, 5, 20, 50];
const RATES: readonly number[] = [0.5, LIMIT_PERCENT, ...BAD_RATES];
/**
 * Rivals are tuned in the very world that they are judged in, on other rollouts of it; twice as
 * many, or a tail has no quantile.
 */
const TUNING_SEEDS = 1_000_000_000;

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    runs: { type: "string" },
    devices: { type: "string", default: "20000" },
  },
});
const runs = Number(values.runs ?? (values.quick ? 200 : 1_000));
const deviceCount = Number(values.devices);
const hash = createHash("sha256");

for (const correlated of [false, true]) compare(correlated);
printFigure({
  bench: "gate",
  case: `${deviceCount} devices, ${runs} rollouts a rate`,
  metric: "hash of the results",
  value: hash.digest().readUIntBE(0, 6),
  unit: "hash",
});

function worldOf(percent: number, correlated: boolean): World {
  return {
    deviceCount,
    siteCount: Math.max(1, deviceCount / 50),
    maxInFlight: 200,
    firstWave: 100,
    offlineShare: 0.1,
    trueFailureRate: percent / 100,
    correlated,
  };
}

/** May a rule's number have grown? With a failure, or when a sample is large enough at last. */
function createWatch(): (view: GateView) => boolean {
  let failures = 0;
  return (view) => {
    const grew = view.failures > failures;
    failures = view.failures;
    return grew || MIN_SAMPLES.includes(view.accepted) || MIN_SAMPLES.includes(view.executed);
  };
}

/** The lowest threshold that stops no more rollouts at the limit than the false-alarm rate says. */
function tune(statistic: ComparedRule["statistic"], correlated: boolean): number {
  const highest = Array.from({ length: 2 * runs }, (_, run) => {
    const mayHaveGrown = createWatch();
    let most = 0;
    pretendRollout(worldOf(LIMIT_PERCENT, correlated), TUNING_SEEDS + run, (view) => {
      if (mayHaveGrown(view)) most = Math.max(most, statistic(view));
      return true;
    });
    return most;
  }).sort((a, b) => b - a);
  const allowed = Math.floor((highest.length * FALSE_ALARM_PERCENT) / 100);
  return (highest[allowed] ?? 0) * (1 + 1e-9);
}

/** Devices that had accepted when each rule stopped, or −1 − all of them when it did not. */
function exposures(rules: readonly ComparedRule[], world: World, seed: number): Int32Array {
  const exposed = new Int32Array(rules.length);
  let left = rules.length;
  let accepted = 0;
  const mayHaveGrown = createWatch();
  pretendRollout(world, seed, (view) => {
    accepted = view.accepted;
    if (!mayHaveGrown(view)) return true;
    rules.forEach(({ statistic, threshold }, index) => {
      if (exposed[index] !== 0 || statistic(view) < threshold) return;
      exposed[index] = accepted;
      left--;
    });
    return left > 0;
  });
  return exposed.map((count) => (count === 0 ? -1 - accepted : count));
}

function compare(correlated: boolean): void {
  const kind = correlated ? "sites fail as a whole" : "devices fail one by one";
  const rules = comparedRules((name, statistic) => {
    const threshold = tune(statistic, correlated);
    console.error(`tuned where ${kind}: ${name} ≥ ${threshold.toPrecision(4)}`);
    return threshold;
  });
  const badMeans = rules.map(() => 0);
  for (const percent of RATES) {
    const all = Array.from({ length: runs }, (_, run) =>
      exposures(rules, worldOf(percent, correlated), percent * 1_000_000 + run),
    );
    rules.forEach((rule, index) => {
      const exposed = all.map((run) => run[index] ?? 0);
      const mean = printCell(`${kind}, ${percent} %`, rule, exposed);
      if (BAD_RATES.includes(percent)) badMeans[index] = (badMeans[index] ?? 0) + mean / 4;
      if (percent === LIMIT_PERCENT) printFalseStops(kind, rule, exposed);
    });
  }
  printRatios(kind, rules, badMeans);
}

/** Answers the mean. */
function printCell(name: string, rule: ComparedRule, exposed: readonly number[]): number {
  const counts = exposed.map((count) => (count < 0 ? -1 - count : count)).sort((a, b) => a - b);
  const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  const stopped = exposed.filter((count) => count > 0).length / exposed.length;
  const at = { bench: "gate", case: `${name}: ${rule.name}` };
  figure({ ...at, metric: "stopped", value: stopped, unit: "share" });
  figure({ ...at, metric: "exposed, mean", value: mean, unit: "devices" });
  const median = counts[Math.floor(counts.length / 2)] ?? 0;
  figure({ ...at, metric: "exposed, median", value: median, unit: "devices" });
  return mean;
}

/** Beside the false-alarm rate that was asked for, and one standard error of the count. */
function printFalseStops(kind: string, rule: ComparedRule, exposed: readonly number[]): void {
  const share = exposed.filter((count) => count > 0).length / exposed.length;
  const alpha = FALSE_ALARM_PERCENT / 100;
  const error = Math.sqrt((alpha * (1 - alpha)) / exposed.length);
  const at = { bench: "gate", case: `${kind}, at the limit of ${LIMIT_PERCENT} %: ${rule.name}` };
  figure({ ...at, metric: "false stops", value: share, unit: "share" });
  figure({
    ...at,
    metric: "false stops above α, in errors",
    value: (share - alpha) / error,
    unit: "σ",
  });
}

function printRatios(kind: string, rules: readonly ComparedRule[], means: readonly number[]): void {
  const ours = means[0] ?? 0;
  rules.forEach((rule, index) => {
    if (rule.kind === "ours") return;
    figure({
      bench: "gate",
      case: `${kind}, 2, 5, 20 and 50 %`,
      metric: "exposed, mean over the bad rates",
      value: ours,
      unit: "devices",
      peer: rule.kind === "tuned" ? `${rule.name}, tuned` : rule.name,
      ratio: ours / (means[index] ?? 1),
    });
  });
}

function figure(line: Parameters<typeof printFigure>[0]): void {
  hash.update(`${JSON.stringify(line)}\n`);
  printFigure(line);
}
