// SPDX-License-Identifier: Apache-2.0
/**
 * Random histories of a small fleet under one rollout or two. MUSTER_HISTORIES says how many
 * (default 300); MUSTER_HISTORY_SEED tells one again. A seed that fails belongs into
 * testing/history-seeds.ts.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Coverage } from "./testing/coverage.ts";
import { tellHistory } from "./testing/history.ts";
import { SEEDS_THAT_FAILED } from "./testing/history-seeds.ts";

const HISTORIES = Number(process.env["MUSTER_HISTORIES"] ?? 300);
const ONE = process.env["MUSTER_HISTORY_SEED"];
const FIRST_SEED = 20_260_101;

function tellAll(seeds: readonly number[], coverage: Coverage): Map<string, number> {
  const ends = new Map<string, number>();
  const failed: string[] = [];
  for (const seed of seeds) {
    try {
      for (const state of tellHistory(seed, { coverage }).states) {
        ends.set(state, (ends.get(state) ?? 0) + 1);
      }
    } catch (error) {
      failed.push(error instanceof Error ? error.message : String(error));
    }
  }
  assert.deepEqual(failed, [], "MUSTER_HISTORY_SEED=… tells one of them again");
  return ends;
}

describe("random histories keep every invariant and come to an end", () => {
  for (const { seed, found } of SEEDS_THAT_FAILED) {
    test(`seed ${seed}, which found: ${found}`, () => void tellHistory(seed));
  }

  test(`${ONE === undefined ? HISTORIES : "one"} of them`, (context) => {
    const seeds = Array.from({ length: HISTORIES }, (_, index) => FIRST_SEED + index);
    const coverage = new Coverage();
    const ends = tellAll(ONE === undefined ? seeds : [Number(ONE)], coverage);
    context.diagnostic(`ends: ${JSON.stringify(Object.fromEntries(ends))}`);
    for (const line of coverage.print()) context.diagnostic(line);
    assert.deepEqual(coverage.surprises, [], "said to be unreachable, and met");
    if (ONE !== undefined || HISTORIES < 100) return;
    // Histories that all end the same way would show little.
    for (const state of ["succeeded", "stopped", "rolled-back", "expired"]) {
      assert((ends.get(state) ?? 0) > 0, `no history ended as ${state}`);
    }
  });
});
