// SPDX-License-Identifier: Apache-2.0
/** The bench of a rollout, small: it ends, its counts are right, and it prints what it promises. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

const BENCH = "bench/macro/rollout.bench.ts";

test("a rollout to 6,000 devices, its center killed once, is measured", async ({ signal }) => {
  const args = [BENCH, "--devices", "6000", "--kill", "--from-source"];
  const { stdout } = await promisify(execFile)(process.execPath, args, { signal });
  const figures = stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { metric: string; value: number; ratio?: number });
  const valueOf = (metric: string): number =>
    figures.find((figure) => figure.metric === metric)?.value ?? NaN;
  assert(valueOf("start to all succeeded") > 0);
  assert(valueOf("reports, Store alone") > 0);
  assert(valueOf("center RSS, peak") > 0);
  assert(valueOf("kill to all connected") > 0);
  assert.equal(valueOf("succeeded"), 6_000);
  assert(figures.some(({ ratio }) => ratio !== undefined));
  for (const question of ["get", "watch", "explain"]) assert(valueOf(`${question}, p99`) > 0);
});
