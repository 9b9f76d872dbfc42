// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import { ConnectionGate } from "./connection-gate.ts";

const MOST_RATE = 1_000;

describe("the gate of new connections", () => {
  let clock: VirtualClock;
  let loopUse: number;
  let gate: ConnectionGate;
  let begun: number[];
  let refused: number[];

  beforeEach(() => {
    clock = new VirtualClock();
    loopUse = 0.1;
    gate = new ConnectionGate({ clock, mostRate: MOST_RATE, loopUse: () => loopUse });
    begun = [];
    refused = [];
  });

  function come(count: number, first = 0, isSuspect = false): void {
    for (let number = first; number < first + count; number += 1) {
      gate.enter({
        isSuspect,
        begin: () => begun.push(number),
        refuse: () => refused.push(number),
      });
    }
  }

  test("lets who comes alone begin at once, and keeps no timer", () => {
    for (let number = 0; number < 50; number += 1) {
      come(1, number);
      assert.equal(begun.length, number + 1);
      clock.advance(10);
    }
    assert.equal(clock.timerCount, 0);
  });

  test("lets a storm begin in its order, as many a second as it may", () => {
    come(3_000);
    assert.equal(begun.length, 8, "a burst");
    clock.advance(1_000);
    assert.ok(Math.abs(begun.length - MOST_RATE) <= 16, `${begun.length} in the first second`);
    clock.advance(3_000);
    assert.deepEqual(
      begun,
      Array.from({ length: 3_000 }, (_, number) => number),
    );
    assert.deepEqual([refused.length, gate.waitingCount, clock.timerCount], [0, 0, 0]);
  });

  test("refuses who waits and who comes when it is closed", () => {
    come(30);
    come(5, 30, true);
    gate.close();
    assert.deepEqual([begun.length, refused.length, gate.waitingCount], [8, 27, 0]);
    come(1, 35);
    clock.advance(30_000);
    assert.deepEqual([begun.length, refused.at(-1), clock.timerCount], [8, 35, 0]);
  });

  test("refuses more than can have their turn while they wait", () => {
    come(20_000);
    assert.equal(gate.waitingCount, 19_000);
    assert.equal(refused[0], 19_008);
    clock.advance(18_900);
    assert.ok(begun.length > 18_800, `${begun.length} have begun`);
  });

  test("refuses who has waited for longer than a device does", () => {
    loopUse = 0.9;
    come(5_000);
    clock.advance(18_900);
    assert.equal(refused.length, 0);
    clock.advance(5_000);
    assert.equal(begun.length + refused.length, 5_000);
    assert.ok(begun.length < 2_500, `${begun.length} have begun`);
  });

  test("slows down while the loop is busy, never to a halt, and recovers", () => {
    loopUse = 0.9;
    come(9_000);
    clock.advance(5_000);
    assert.equal(gate.rate, 50);
    const before = begun.length;
    clock.advance(1_000);
    assert.ok(begun.length - before >= 45, `${begun.length - before} a second`);
    loopUse = 0.2;
    clock.advance(5_000);
    assert.equal(gate.rate, MOST_RATE);
  });

  test("lets suspects begin slowly, while others pass them", () => {
    come(1_000, 0, true);
    clock.advance(1_000);
    assert.ok(begun.length >= 19 && begun.length <= 21, `${begun.length} suspects`);
    come(1, 5_000);
    assert.equal(begun.at(-1), 5_000, "at once");
    come(1_000, 6_000);
    clock.advance(1_100);
    assert.ok(begun.includes(6_999), "a line of others does not wait for them");
    assert.ok(gate.waitingCount > 900);
  });

  test("takes no more rate for granted than somebody waited for", () => {
    loopUse = 0.9;
    come(100);
    clock.advance(10_000);
    const slow = gate.rate;
    loopUse = 0.1;
    come(1, 100);
    clock.advance(10_000);
    assert.equal(gate.rate, slow);
  });
});
