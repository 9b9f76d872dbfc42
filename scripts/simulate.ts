// SPDX-License-Identifier: Apache-2.0
//
// `npm run simulate -- --seed N --minutes M` runs a whole installation on virtual time; its options
// are in docs/internals/simulation.md. Exit code 1 = an invariant was broken, 2 = it was not asked
// for properly. The swarm with real sockets is `muster simulate`.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ALL_FAULTS, type FaultKind } from "../simulator/world/fault-kinds.ts";
import { runWorld, type WorldOptions, type WorldResult } from "../simulator/world/world.ts";

const PROGRESS_EVERY_MS = 7_200_000;
/** Of a history whose invariant broke: what came before, most of it about who is concerned. */
const STORY_LINES = 40;

interface Asked extends Omit<WorldOptions, "folder" | "onLine" | "logger"> {
  readonly faults: readonly FaultKind[];
  readonly planted: string;
}

interface Shown {
  /** How many seeds: this one and those after it. */
  readonly seeds: number;
  readonly history: boolean;
  readonly json: boolean;
}

process.exitCode = await main();

async function main(): Promise<number> {
  let read: { asked: Asked; shown: Shown };
  try {
    read = readArguments();
  } catch (error) {
    console.error(`simulate: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  const { asked, shown } = read;
  let worst = 0;
  for (const seed of seedsFrom(asked.seed, shown.seeds)) {
    worst = Math.max(worst, await simulate({ ...asked, seed }, shown));
  }
  return worst;
}

function seedsFrom(first: string, count: number): string[] {
  if (count === 1) return [first];
  return Array.from({ length: count }, (_, index) => String(Number(first) + index));
}

function readArguments(): { asked: Asked; shown: Shown } {
  const { values } = parseArgs({
    options: {
      seed: { type: "string", default: "1" },
      seeds: { type: "string", default: "1" },
      minutes: { type: "string", default: "240" },
      devices: { type: "string", default: "50" },
      gateways: { type: "string", default: "2" },
      faults: { type: "string", default: ALL_FAULTS.join(",") },
      plant: { type: "string", default: "" },
      history: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
    },
  });
  const count = (name: "seeds" | "minutes" | "devices" | "gateways", max: number): number => {
    const value = Number(values[name]);
    if (Number.isInteger(value) && value >= 1 && value <= max) return value;
    const range = `a whole number from 1 to ${max}`;
    throw new Error(`--${name} is ${JSON.stringify(values[name])}; it must be ${range}`);
  };
  const { seed, plant: planted, history, json } = values;
  if (seed === "") throw new Error("--seed is empty; it must be a number or a word");
  const seeds = count("seeds", 10_000);
  if (seeds > 1 && !/^\d{1,15}$/.test(seed)) {
    throw new Error(`--seed is ${JSON.stringify(seed)}; with --seeds it must be a whole number`);
  }
  if (history && json) throw new Error("--history and --json exclude each other");
  const minutes = count("minutes", 100_000);
  const faults = faultsOf(values.faults);
  const size = { minutes, devices: count("devices", 1_000), gateways: count("gateways", 20) };
  return { asked: { seed, ...size, faults, planted }, shown: { seeds, history, json } };
}

/** Some kinds, apart by commas; "none" = none. */
function faultsOf(text: string): readonly FaultKind[] {
  const names = text === "none" ? [] : text.split(",");
  return names.map((name) => {
    const kind = ALL_FAULTS.find((known) => known === name);
    if (kind !== undefined) return kind;
    const known = `${ALL_FAULTS.join(", ")}, or none`;
    throw new Error(`--faults names ${JSON.stringify(name)}; known are ${known}`);
  });
}

async function simulate(asked: Asked, { history, json }: Shown): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), "muster-simulation-"));
  const lines: string[] = [];
  let shownMs = 0;
  const onLine = (line: string): void => {
    if (history) console.log(line);
    lines.push(line);
    const atMs = Number.parseFloat(line);
    if (json || atMs < shownMs + PROGRESS_EVERY_MS) return;
    shownMs = atMs;
    console.error(`simulate: ${hoursOf(atMs)} h, of which ${asked.minutes / 60} h are a storm`);
  };
  const startedMs = performance.now();
  try {
    const result = await runWorld({ ...asked, folder, onLine });
    if (json) showJson(asked, result);
    else show(asked, result, performance.now() - startedMs);
    if (result.violations.length === 0) return 0;
    tell(asked, result, lines);
    return 1;
  } finally {
    await rm(folder, { recursive: true });
  }
}

function showJson({ seed }: Asked, result: WorldResult): void {
  const { rollouts, deaths, ...rest } = result;
  const ended = Object.fromEntries(countBy(rollouts.map(({ state }) => state)));
  const points = Object.fromEntries(deaths);
  console.log(JSON.stringify({ seed, ...rest, rollouts: ended, deaths: points }));
}

function show({ seed }: Asked, result: WorldResult, tookMs: number): void {
  const { simulatedMs, steps, lines, rollouts, faults, deaths, violations, digest } = result;
  const seconds = (tookMs / 1_000).toFixed(1);
  const factor = Math.round(simulatedMs / tookMs);
  const ended = countBy(rollouts.map(({ state }) => state));
  console.log(`simulated ${hoursOf(simulatedMs)} h in ${seconds} s (${factor} times as fast)`);
  console.log(`steps: ${steps}, lines of history: ${lines}`);
  console.log(`rollouts: ${rollouts.length} (${listOf(ended)})`);
  console.log(`faults: ${listOf(Object.entries(faults))}`);
  console.log(`points at which somebody died: ${deaths.size}`);
  console.log(`violations: ${violations.length}`);
  console.log(`seed ${seed}, history ${digest}`);
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

/** What was broken, what came before it, and how to see it again. */
function tell(asked: Asked, { violations }: WorldResult, lines: readonly string[]): void {
  const [first = ""] = violations;
  console.error("\nbroken:");
  for (const violation of violations) console.error(`  ${violation}`);
  const concerned = [...new Set(first.match(/\b(?:device|gateway)-\d+\b/g))];
  const isAbout = (line: string): boolean =>
    concerned.length === 0 || concerned.some((who) => line.includes(`${who} `));
  const story = lines.filter((line) => isAbout(line)).slice(-STORY_LINES);
  const whom = concerned.length === 0 ? "the history" : concerned.join(" and ");
  console.error(`\nthe last of ${whom}, in ms since the start:`);
  for (const line of story) console.error(`  ${line}`);
  const { seed, minutes, devices, gateways, faults, planted } = asked;
  const size = `--minutes ${minutes} --devices ${devices} --gateways ${gateways}`;
  const bug = planted === "" ? "" : ` --plant ${planted}`;
  const kinds =
    faults.length === ALL_FAULTS.length ? "" : ` --faults ${faults.join(",") || "none"}`;
  console.error("\nagain, with every line of its history:");
  console.error(`  npm run -s simulate -- --seed ${seed} ${size}${kinds}${bug} --history`);
}
