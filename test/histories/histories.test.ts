// SPDX-License-Identifier: Apache-2.0
/**
 * Random histories at scale, over all cores: none breaks an invariant, and together they meet every
 * pair of state and happening that can be met. MUSTER_HISTORIES says how many (default 10,000),
 * MUSTER_HISTORY_SEED where they begin (default: the same ones each time).
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { availableParallelism } from "node:os";
import { describe, test } from "node:test";
import { promisify } from "node:util";
import { Coverage } from "../../domain/testing/coverage.ts";
import { REASONS } from "../../domain/testing/unreachable-pairs.ts";
import type { SeedsTold } from "./tell-seeds.ts";

const HISTORIES = Number(process.env["MUSTER_HISTORIES"] ?? 10_000);
const FIRST_SEED = Number(process.env["MUSTER_HISTORY_SEED"] ?? 20_270_101);
/** A worker starts in half a second and tells these in some: its start does not count. */
const SEEDS_PER_WORKER = 500;
/** The rarest pairs need as many. */
const COVERING_HISTORIES = 10_000;

const run = promisify(execFile);

async function tell(first: number): Promise<SeedsTold> {
  const count = Math.min(SEEDS_PER_WORKER, FIRST_SEED + HISTORIES - first);
  const worker = `${import.meta.dirname}/tell-seeds.ts`;
  const { stdout } = await run(process.execPath, [worker, String(first), String(count)]);
  return JSON.parse(stdout) as SeedsTold;
}

async function tellAll(): Promise<SeedsTold[]> {
  const told: SeedsTold[] = [];
  let next = FIRST_SEED;
  const core = async (): Promise<void> => {
    while (next < FIRST_SEED + HISTORIES) {
      const first = next;
      next += SEEDS_PER_WORKER;
      told.push(await tell(first));
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, core));
  return told;
}

describe("random histories", () => {
  test(`${HISTORIES} of them keep every invariant and meet what can be met`, async (context) => {
    const told = await tellAll();
    const coverage = new Coverage();
    const ends: { [state: string]: number } = {};
    for (const part of told) {
      coverage.merge(part.coverage);
      for (const [state, count] of Object.entries(part.ends)) {
        ends[state] = (ends[state] ?? 0) + count;
      }
    }
    const sum = (of: (part: SeedsTold) => number): number =>
      told.reduce((all, part) => all + of(part), 0);
    const say = (line: string): void => context.diagnostic(line);
    say(
      `${HISTORIES} histories from seed ${FIRST_SEED}: ` +
        `${sum((part) => part.deviceCount)} devices, ${sum((part) => part.eventCount)} events; ` +
        `ends: ${JSON.stringify(ends)}`,
    );
    for (const line of coverage.print()) say(line);
    for (const { table, states, happenings, why } of REASONS) {
      say(`· ${table} ${states.join(", ")} × ${happenings.join(", ")}: ${why}`);
    }
    const failures = told.flatMap((part) => part.failures);
    assert.deepEqual(failures, [], "MUSTER_HISTORY_SEED=… npm test -- domain/rollout-histories");
    assert.deepEqual(coverage.surprises, [], "said to be unreachable, and met");
    if (HISTORIES >= COVERING_HISTORIES) assert.deepEqual(coverage.holes, [], "never met");
  });
});
