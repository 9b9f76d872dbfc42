// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import { Backlog } from "./backlog.ts";

const LIMIT = 10_000;

class Bench {
  readonly clock = new VirtualClock();
  readonly turns: string[] = [];
  waiting = 0;
  readonly backlog = new Backlog({
    clock: this.clock,
    logger: SILENT_LOGGER,
    limit: LIMIT,
    count: () => this.waiting,
    listener: {
      backlogExceeded: () => this.turns.push("exceeded"),
      backlogOver: () => this.turns.push("over"),
    },
  });

  constructor() {
    this.backlog.start();
  }

  pass(durationMs: number, waiting: number): void {
    this.waiting = waiting;
    this.clock.advance(durationMs);
  }
}

describe("the backlog to the center", () => {
  test("is exceeded above the limit, not at it", () => {
    const bench = new Bench();
    bench.pass(60_000, LIMIT);
    assert.deepEqual(bench.turns, []);
    bench.pass(2_000, LIMIT + 1);
    assert.deepEqual(bench.turns, ["exceeded"]);
    assert.equal(bench.backlog.isExceeded, true);
    bench.pass(60_000, LIMIT + 1);
    assert.deepEqual(bench.turns, ["exceeded"], "it is said once");
  });

  test("lets a burst of under a second pass, however often one comes", () => {
    const bench = new Bench();
    for (let burst = 0; burst < 20; burst += 1) {
      bench.pass(750, LIMIT * 20);
      bench.pass(250, 0);
    }
    assert.deepEqual(bench.turns, []);
  });

  test("is over when it was at half of the limit for five seconds, not sooner", () => {
    const bench = new Bench();
    bench.pass(2_000, LIMIT * 2);
    bench.pass(60_000, LIMIT / 2 + 1);
    bench.pass(4_000, 0);
    bench.pass(1_000, LIMIT);
    bench.pass(4_000, LIMIT / 2);
    assert.deepEqual(bench.turns, ["exceeded"]);
    bench.pass(2_000, LIMIT / 2);
    assert.deepEqual(bench.turns, ["exceeded", "over"]);
    assert.equal(bench.backlog.isExceeded, false);
    bench.pass(2_000, LIMIT * 2);
    assert.deepEqual(bench.turns, ["exceeded", "over", "exceeded"], "and may come again");
  });

  test("is not looked at any more once it was stopped", () => {
    const bench = new Bench();
    bench.backlog.stop();
    bench.pass(60_000, LIMIT * 2);
    assert.deepEqual([bench.turns, bench.clock.timerCount], [[], 0]);
  });
});
