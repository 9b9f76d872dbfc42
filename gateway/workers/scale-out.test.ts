// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ScaleOut } from "./scale-out.ts";

const STEP_MS = 5_000;

/** Workers that use what they are told to, looked at every 5 s. */
class Bench {
  readonly #scaleOut: ScaleOut;
  readonly #usedSeconds = new Map<number, number>();
  #nowMs = 1_000;
  count: number;

  constructor(range: { readonly least: number; readonly most: number }) {
    this.#scaleOut = new ScaleOut({ ...range, busyForMs: 60_000, idleForMs: 600_000 });
    this.count = range.least;
  }

  /** For so long each worker uses this part of a core; `silent`: how many do not answer. */
  run(forMs: number, use: number, silent = 0): void {
    for (let passedMs = 0; passedMs < forMs; passedMs += STEP_MS) {
      this.#nowMs += STEP_MS;
      const workers = Array.from({ length: this.count }, (_, pid) => {
        const cpuSeconds = (this.#usedSeconds.get(pid) ?? 0) + (use * STEP_MS) / 1_000;
        this.#usedSeconds.set(pid, cpuSeconds);
        return { pid, cpuSeconds };
      });
      this.count = this.#scaleOut.wanted(workers.slice(silent), this.count, this.#nowMs);
    }
  }
}

describe("scale-out", () => {
  test("wants one more when all are busy for a minute, and for another minute once more", () => {
    const bench = new Bench({ least: 2, most: 4 });
    bench.run(60_000, 0.8);
    assert.equal(bench.count, 2);
    bench.run(10_000, 0.8);
    assert.equal(bench.count, 3);
    bench.run(55_000, 0.8);
    assert.equal(bench.count, 3);
    bench.run(15_000, 0.8);
    assert.equal(bench.count, 4);
    bench.run(600_000, 1);
    assert.equal(bench.count, 4, "never more than it may have");
  });

  test("forgets a load that pauses", () => {
    const bench = new Bench({ least: 1, most: 4 });
    for (let round = 0; round < 10; round += 1) {
      bench.run(50_000, 0.9);
      bench.run(STEP_MS, 0.7);
    }
    assert.equal(bench.count, 1);
  });

  test("takes one that does not answer for busy", () => {
    const bench = new Bench({ least: 2, most: 4 });
    bench.run(70_000, 0.55, 1);
    assert.equal(bench.count, 3);
  });

  test("wants one less after ten idle minutes, down to how many it began with", () => {
    const bench = new Bench({ least: 1, most: 4 });
    bench.run(70_000, 0.9);
    assert.equal(bench.count, 2);
    bench.run(700_000, 0.3);
    assert.equal(bench.count, 2, "0.6 of a core is too much for one");
    bench.run(590_000, 0.2);
    assert.equal(bench.count, 2);
    bench.run(20_000, 0.2);
    assert.equal(bench.count, 1);
    bench.run(1_300_000, 0);
    assert.equal(bench.count, 1);
  });
});
