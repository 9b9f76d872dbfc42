// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { EventEmitter } from "node:events";
import { describe, test } from "node:test";
import { VirtualClock } from "../test/helpers/virtual-clock.ts";
import { createProcessInterrupt, type ProcessInterrupt } from "./interrupt.ts";

interface Fixture {
  readonly events: EventEmitter;
  readonly clock: VirtualClock;
  readonly exits: number[];
  readonly timeouts: number[];
  readonly interrupt: ProcessInterrupt;
}

function fixture(): Fixture {
  const events = new EventEmitter();
  const clock = new VirtualClock();
  const exits: number[] = [];
  const timeouts: number[] = [];
  const interrupt = createProcessInterrupt({
    events,
    clock,
    exit: (status) => exits.push(status),
    onDrainTimeout: (deadlineMs) => timeouts.push(deadlineMs),
  });
  return { events, clock, exits, timeouts, interrupt };
}

describe("an interrupted command", () => {
  test("is told, and exits 130 after Ctrl-C and 143 after SIGTERM", () => {
    for (const [name, status] of [
      ["SIGINT", 130],
      ["SIGTERM", 143],
    ] as const) {
      const { events, interrupt } = fixture();
      assert.equal(interrupt.exitStatus(), null);
      events.emit(name);
      assert.equal(interrupt.signal.aborted, true);
      assert.equal(interrupt.exitStatus(), status);
    }
  });

  test("that does not end by itself is ended", () => {
    const { events, clock, exits } = fixture();
    events.emit("SIGINT");
    clock.advance(1_999);
    assert.deepEqual(exits, []);
    clock.advance(1);
    assert.deepEqual(exits, [130]);
  });

  test("is ended at once by a second signal", () => {
    const { events, exits } = fixture();
    events.emit("SIGINT");
    events.emit("SIGINT");
    assert.deepEqual(exits, [130]);
  });

  test("that drains has its own exit status, and 1 after the deadline", () => {
    const { events, clock, exits, timeouts, interrupt } = fixture();
    interrupt.drain(15_000);
    events.emit("SIGTERM");
    assert.equal(interrupt.exitStatus(), null);
    clock.advance(14_999);
    assert.deepEqual(exits, []);
    clock.advance(1);
    assert.deepEqual(exits, [1]);
    assert.deepEqual(timeouts, [15_000]);
  });
});
