// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { runWorld, type WorldResult } from "../../simulator/world/world.ts";

async function run(seed: string): Promise<{ lines: string[]; result: WorldResult }> {
  const folder = await mkdtemp(join(tmpdir(), "muster-simulation-"));
  try {
    const lines: string[] = [];
    const onLine = (line: string): void => void lines.push(line);
    const size = { minutes: 30, devices: 10, gateways: 2 };
    return { result: await runWorld({ ...size, seed, folder, onLine }), lines };
  } finally {
    await rm(folder, { recursive: true });
  }
}

test("one seed gives one history, to the last byte, and another seed another", async () => {
  const [one, again, other] = [await run("1"), await run("1"), await run("2")];
  assert.deepEqual(again.lines, one.lines);
  assert.equal(again.result.digest, one.result.digest);
  assert.equal(again.result.steps, one.result.steps);
  assert.notEqual(other.result.digest, one.result.digest);
});

test("rollouts succeed on every device while wires are cut", async () => {
  const { result } = await run("3");
  assert.deepEqual(result.violations, []);
  assert.ok(result.rollouts.length >= 1 && result.cuts.devices >= 1);
  for (const { state } of result.rollouts) assert.equal(state, "SUCCEEDED");
});
