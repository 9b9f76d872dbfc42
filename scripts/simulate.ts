// SPDX-License-Identifier: Apache-2.0
//
// `npm run simulate -- --seed N --minutes M [--devices D] [--gateways G] [--history]` runs a whole
// installation on virtual time (docs/internals/simulation.md). Exit code 1 = an invariant was
// broken, 2 = it was not asked for properly. The swarm with real sockets is `muster simulate`.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ALL_FAULTS, type FaultKind } from "../simulator/world/fault-kinds.ts";
import { runWorld, type WorldOptions, type WorldResult } from "../simulator/world/world.ts";

const PROGRESS_EVERY_MS = 3_600_000;
/** Of a history whose invariant broke: what came before. */
const STORY_LINES = 40;

interface Asked extends Pick<
  WorldOptions,
  "seed" | "minutes" | "devices" | "gateways" | "faults" | "planted"
> {
  readonly history: boolean;
}

process.exitCode = await main();

async function main(): Promise<number> {
  let asked: Asked;
  try {
    asked = readArguments();
  } catch (error) {
    console.error(`simulate: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  return await simulate(asked);
}

function readArguments(): Asked {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      minutes: { type: "string", default: "240" },
      devices: { type: "string", default: "50" },
      gateways: { type: "string", default: "2" },
      faults: { type: "string", default: ALL_FAULTS.join(",") },
      plant: { type: "string", default: "" },
      history: { type: "boolean", default: false },
    },
  });
  const count = (name: "minutes" | "devices" | "gateways", max: number): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    const range = `a whole number from 1 to ${max}`;
    throw new Error(`--${name} is ${JSON.stringify(values[name])}; it must be ${range}`);
  };
  const { seed, history } = values;
  if (seed === "") throw new Error("--seed is empty; it must be a number or a word");
  const minutes = count("minutes", 100_000);
  return {
    seed,
    minutes,
    devices: count("devices", 1_000),
    gateways: count("gateways", 20),
    faults: faultsOf(values.faults),
    planted: values.plant,
    history,
  };
}

/** Some kinds, apart by commas; "none" = none. */
function faultsOf(text: string): readonly FaultKind[] {
  const names = text === "none" ? [] : text.split(",");
  return names.map((name) => {
    const kind = ALL_FAULTS.find((known) => known === name);
    if (kind !== undefined) return kind;
    throw new Error(`--faults names ${JSON.stringify(name)}; known are ${ALL_FAULTS.join(", ")}`);
  });
}

async function simulate({ history, ...asked }: Asked): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "muster-simulation-"));
  const last: string[] = [];
  let shownMs = 0;
  const onLine = (line: string): void => {
    if (history) console.log(line);
    last.push(line);
    if (last.length > STORY_LINES) last.shift();
    const atMs = Number.parseFloat(line);
    if (atMs < shownMs + PROGRESS_EVERY_MS) return;
    shownMs = atMs;
    console.error(`simulate: ${minutesOf(atMs)} of ${asked.minutes} minutes and what is open then`);
  };
  const startedMs = performance.now();
  try {
    const result = await runWorld({ ...asked, folder, onLine });
    show(result, performance.now() - startedMs);
    console.log(`seed ${asked.seed}, history ${result.digest}`);
    if (result.violations.length > 0) tell(asked, last);
    return result.violations.length === 0 ? 0 : 1;
  } finally {
    await rm(folder, { recursive: true });
  }
}

function show(result: WorldResult, tookMs: number): void {
  const { simulatedMs, steps, rollouts, faults, deaths, violations } = result;
  const seconds = (tookMs / 1_000).toFixed(1);
  const factor = Math.round(simulatedMs / tookMs);
  const ended = countBy(rollouts.map(({ state }) => state));
  console.log(`simulated ${hoursOf(simulatedMs)} h in ${seconds} s (${factor} times as fast)`);
  console.log(`steps: ${steps}`);
  console.log(`rollouts: ${rollouts.length} (${listOf(ended)})`);
  console.log(`faults: ${listOf(Object.entries(faults))}`);
  console.log(`points at which somebody died: ${deaths.size}`);
  console.log(`violations: ${violations.length}`);
  for (const violation of violations) console.log(`  ${violation}`);
}

function countBy(words: readonly string[]): [string, number][] {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return [...counts].toSorted(([one], [other]) => (one < other ? -1 : 1));
}

function listOf(counts: readonly [string, number][]): string {
  return counts.map(([name, count]) => `${count} ${name}`).join(", ");
}

function hoursOf(durationMs: number): string {
  return (durationMs / 3_600_000).toFixed(1);
}

/** What came before the end, and how to see it again. */
function tell({ seed, minutes, devices, gateways }: Omit<Asked, "history">, last: string[]): void {
  console.log(`\nthe last ${last.length} lines of its history (--history prints all of it):`);
  for (const line of last) console.log(`  ${line}`);
  const size = `--minutes ${minutes} --devices ${devices} --gateways ${gateways}`;
  console.log(`\nagain: npm run simulate -- --seed ${seed} ${size}`);
}

function minutesOf(durationMs: number): string {
  return (durationMs / 60_000).toFixed(1);
}
