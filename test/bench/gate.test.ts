// SPDX-License-Identifier: Apache-2.0
/** The bench of gates, small: a row for every rule and rate, and the same one each time. */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";

interface Figure {
  readonly case: string;
  readonly metric: string;
  readonly value: number;
  readonly peer?: string;
  readonly ratio?: number;
}

const ARGS = ["bench/macro/gate.bench.ts", "--runs", "4", "--devices", "2000"];

async function measure(signal: AbortSignal): Promise<Figure[]> {
  const { stdout } = await promisify(execFile)(process.execPath, ARGS, { signal });
  return stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Figure);
}

test("gates are compared on the same rollouts, the same each time", async ({ signal }) => {
  const figures = await measure(signal);
  const rows = figures.filter(({ metric }) => metric === "stopped");
  assert.equal(rows.length, 2 * 6 * 10, "two worlds, six rates, ten rules");
  assert.equal(figures.filter(({ ratio }) => ratio !== undefined).length, 2 * 9);
  const half = rows.find((row) => row.case.includes("50 %: ours"));
  assert.equal(half?.value, 1, "a release that breaks half of all devices is stopped");
  const again = await measure(signal);
  assert.deepEqual(again, figures);
});
