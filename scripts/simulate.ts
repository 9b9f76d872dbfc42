// SPDX-License-Identifier: Apache-2.0
//
// `npm run simulate -- --seed N --minutes M [--devices D] [--gateways G] [--history]` runs a whole
// installation on virtual time (docs/internals/simulation.md). Exit code 1 = an invariant was
// broken, 2 = it was not asked for properly. The swarm with real sockets is `muster simulate`.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { runWorld, type WorldOptions, type WorldResult } from "../simulator/world/world.ts";

const PROGRESS_EVERY_MS = 3_600_000;
/** Of a history whose invariant broke: what came before. */
const STORY_LINES = 40;

interface Asked extends Pick<WorldOptions, "seed" | "minutes" | "devices" | "gateways"> {
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
    history,
  };
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
  const { simulatedMs, steps, rollouts, cuts, violations } = result;
  for (const { name, state, tookMs: ran, maxInFlight, maxUnproven } of rollouts) {
    const limits = `at most ${maxInFlight} in flight, ${maxUnproven} unproven`;
    console.log(`${name} ${state} after ${minutesOf(ran)} min; ${limits}`);
  }
  const seconds = (tookMs / 1_000).toFixed(1);
  const factor = Math.round(simulatedMs / tookMs);
  console.log(`simulated ${minutesOf(simulatedMs)} min in ${seconds} s (${factor} times as fast)`);
  console.log(`${steps} steps; ${rollouts.length} rollouts ended`);
  console.log(`cuts: ${cuts.devices} device to gateway, ${cuts.centers} gateway to center`);
  console.log(`violations: ${violations.length}`);
  for (const violation of violations) console.log(`  ${violation}`);
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
