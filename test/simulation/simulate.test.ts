// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { simulated } from "./simulated.ts";

test("one seed gives one history, to the last byte, and another seed another", async () => {
  const one = await simulated({ seed: "1" });
  const again = await simulated({ seed: "1" });
  const other = await simulated({ seed: "2" });
  assert.deepEqual(again.lines, one.lines);
  assert.equal(again.result.digest, one.result.digest);
  assert.equal(again.result.steps, one.result.steps);
  assert.notEqual(other.result.digest, one.result.digest);
});

test("without faults a world does what it is told", async () => {
  const { result } = await simulated({ seed: "3", faults: [] });
  assert.deepEqual(result.violations, []);
  assert.deepEqual(Object.values(result.faults), [0, 0, 0, 0, 0, 0]);
  assert.ok(result.rollouts.length >= 1);
});

test("in a storm every invariant holds", async () => {
  const { result } = await simulated({ seed: "4", minutes: 60, devices: 8 });
  assert.deepEqual(result.violations, []);
  const { cuts, crashes, duplicates } = result.faults;
  assert.ok(cuts > 0 && crashes > 0 && duplicates > 0, JSON.stringify(result.faults));
  assert.ok(result.deaths.size > 10);
});
