// SPDX-License-Identifier: Apache-2.0
//
// `npm run simulate -- --seed N --minutes M` runs a whole installation on virtual time; its options
// are in docs/internals/simulation.md. Exit code 1 = an invariant was broken, 2 = it was not asked
// for properly. The swarm with real sockets is `muster simulate`.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ALL_FAULTS } from "../simulator/world/fault-kinds.ts";
import { runWorld, type WorldResult } from "../simulator/world/world.ts";
import { readSimulateArguments, type Asked } from "./simulation/arguments.ts";

const PROGRESS_EVERY_MS = 7_200_000;
/** Of a history whose invariant broke: what came before, most of it about who is concerned. */
const STORY_LINES = 40;

process.exitCode = await main();

async function main(): Promise<number> {
  let asked: Asked;
  try {
    asked = readSimulateArguments(process.argv.slice(2));
  } catch (error) {
    console.error(`simulate: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  let worst = 0;
  for (const seed of seedsFrom(asked)) worst = Math.max(worst, await simulate({ ...asked, seed }));
  return worst;
}

function seedsFrom({ seed, seeds }: Asked): string[] {
  if (seeds === 1) return [seed];
  return Array.from({ length: seeds }, (_, index) => String(Number(seed) + index));
}

async function simulate(asked: Asked): Promise<number> {
  const { history, json } = asked;
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
    if (result.violations.length > 0) {
      tell(asked, result, lines);
      return 1;
    }
    if (asked.planted === "" || result.wasPlantMet) return 0;
    const bug = JSON.stringify(asked.planted);
    console.error(`simulate: nothing came by --plant ${bug}; check its name, or take more minutes`);
    return 2;
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
    concerned.length === 0 || concerned.some((who) => line.includes(` ${who} `));
  const about = lines.filter((line) => isAbout(line));
  // Most is found out in the end: what matters ends with the rollout that it is about.
  const number = /\(number (\d+)\)/.exec(first)?.[1];
  const last = about.findLastIndex((line) => line.endsWith(` of rollout number ${number}`));
  const story = about.slice(0, last === -1 ? about.length : last + 1).slice(-STORY_LINES);
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
