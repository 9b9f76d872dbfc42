// SPDX-License-Identifier: Apache-2.0
//
// `npm run test:simulation [-- --hours H] [--from SEED]`: whole-system simulation of many seeds.
// 25 simulated hours a seed, from the first seed on, until H hours of faults are over; one process
// a core, at most two. A seed that breaks an invariant tells its story and how to run it again.

import { spawn } from "node:child_process";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { readSimulateManyArguments } from "./simulation/arguments.ts";
import { root } from "./stage.ts";

const MINUTES_A_SEED = 1_500;
const MAX_PROCESSES = 2;

/** What simulate.ts prints with --json, as far as it is added up here. */
interface Told {
  readonly seed: string;
  readonly simulatedMs: number;
  readonly steps: number;
  readonly rollouts: { readonly [state: string]: number };
  readonly faults: { readonly [kind: string]: number };
  readonly violations: readonly string[];
}

process.exitCode = await main();

async function main(): Promise<number> {
  let asked: ReturnType<typeof readSimulateManyArguments>;
  try {
    asked = readSimulateManyArguments(process.argv.slice(2));
  } catch (error) {
    console.error(`simulate: ${error instanceof Error ? error.message : String(error)}`);
    return 2;
  }
  const startedMs = performance.now();
  const count = Math.ceil((asked.hours * 60) / MINUTES_A_SEED);
  const shares = sharesOf(asked.from, count, Math.min(MAX_PROCESSES, availableParallelism()));
  const results = await Promise.all(shares.map((share) => simulate(share.from, share.count)));
  const told = results.flat();
  const seconds = (performance.now() - startedMs) / 1_000;
  const hours = sum(told.map(({ simulatedMs }) => simulatedMs)) / 3_600_000;
  const broken = told.filter(({ violations }) => violations.length > 0);
  console.log(
    `simulated ${hours.toFixed(1)} h with ${told.length} seeds in ${seconds.toFixed(1)} s`,
  );
  console.log(`steps: ${sum(told.map(({ steps }) => steps))}`);
  console.log(`rollouts: ${listOf(told.map(({ rollouts }) => rollouts))}`);
  console.log(`faults: ${listOf(told.map(({ faults }) => faults))}`);
  console.log(`seeds with violations: ${broken.length}`);
  return broken.length === 0 && told.length === count ? 0 : 1;
}

/** Of the seeds, for each process. */
function sharesOf(
  from: number,
  count: number,
  processes: number,
): { from: number; count: number }[] {
  const first = Math.ceil(count / processes);
  if (processes === 1 || first === count) return [{ from, count }];
  return [{ from, count: first }, ...sharesOf(from + first, count - first, processes - 1)];
}

/** Seeds that could not be run are missing in the answer; why is said. */
async function simulate(from: number, count: number): Promise<Told[]> {
  const seeds = ["--seed", String(from), "--seeds", String(count)];
  const script = join(root, "scripts/simulate.ts");
  const minutes = String(MINUTES_A_SEED);
  const child = spawn(process.execPath, [script, ...seeds, "--minutes", minutes, "--json"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const told: Told[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    const result = JSON.parse(line) as Told;
    told.push(result);
    const { seed, violations } = result;
    console.error(`simulate: seed ${seed}: ${violations.length} violations`);
  }
  return told;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

function listOf(counts: readonly { readonly [name: string]: number }[]): string {
  const names = new Set(counts.flatMap((each) => Object.keys(each)));
  return [...names]
    .toSorted()
    .map((name) => `${sum(counts.map((each) => each[name] ?? 0))} ${name}`)
    .join(", ");
}
