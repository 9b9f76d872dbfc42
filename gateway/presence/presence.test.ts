// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import type { DeviceLink } from "../sessions/device-link.ts";
import { SessionTable } from "../sessions/session-table.ts";
import { Presence } from "./presence.ts";
import { TimingWheel } from "./timing-wheel.ts";

const SILENCE_MS = 15_000;
const DETECTION_MS = 2_000;

const LINK: DeviceLink = {
  certificateSerial: "",
  deliver: () => "sent",
  acknowledge: () => {},
  close: () => {},
};

/** Virtual time that can also pass while the process does not run: timers come late then. */
class StallingClock implements Clock {
  readonly virtual = new VirtualClock();
  #stalledMs = 0;

  monotonicMs(): number {
    return this.virtual.monotonicMs() + this.#stalledMs;
  }

  wallMs(): number {
    return this.virtual.wallMs() + this.#stalledMs;
  }

  setTimer(delayMs: number, callback: () => void): CancelTimer {
    return this.virtual.setTimer(delayMs, callback);
  }

  stall(durationMs: number): void {
    this.#stalledMs += durationMs;
  }
}

function watchOne(): {
  clock: StallingClock;
  presence: Presence;
  slot: number;
  silentAtMs: number[];
} {
  const clock = new StallingClock();
  const table = new SessionTable({ maxSlots: 10 });
  const wheel = new TimingWheel({ tickMs: 250, nowMs: clock.monotonicMs() });
  const presence = new Presence({ clock, table, wheel, detectionMs: DETECTION_MS });
  const silentAtMs: number[] = [];
  presence.start({ slotSilent: () => void silentAtMs.push(clock.monotonicMs()) });
  const slot = table.take(LINK);
  presence.watch(slot, SILENCE_MS);
  return { clock, presence, slot, silentAtMs };
}

describe("presence", () => {
  test("a device that falls silent is found 15 to 17 s after its last packet", () => {
    for (const lastPacketMs of [0, 1, 249, 250, 4_999, 5_000, 14_990, 60_000]) {
      const { clock, presence, slot, silentAtMs } = watchOne();
      for (let nowMs = 0; nowMs < lastPacketMs; nowMs += 1_000) {
        clock.virtual.advance(Math.min(1_000, lastPacketMs - nowMs));
        presence.seen(slot);
      }
      clock.virtual.advance(30_000);
      assert.equal(silentAtMs.length, 1);
      const silenceMs = (silentAtMs[0] as number) - lastPacketMs;
      assert.ok(silenceMs >= SILENCE_MS && silenceMs <= SILENCE_MS + DETECTION_MS, `${silenceMs}`);
    }
  });

  test("a device that sends a packet every interval is never silent", () => {
    const { clock, presence, slot, silentAtMs } = watchOne();
    for (let count = 0; count < 100; count += 1) {
      clock.virtual.advance(14_900);
      presence.seen(slot);
    }
    assert.deepEqual(silentAtMs, []);
  });

  test("time in which the gateway itself stood still is not held against a device", () => {
    const { clock, presence, slot, silentAtMs } = watchOne();
    clock.virtual.advance(14_500);
    clock.stall(60_000); // As by SIGSTOP: the packets of that minute are still in the socket.
    clock.virtual.advance(1_000);
    assert.deepEqual(silentAtMs, [], "no verdict before the backlog could be read");
    presence.seen(slot);
    clock.virtual.advance(SILENCE_MS - 1);
    assert.deepEqual(silentAtMs, []);
    clock.virtual.advance(DETECTION_MS);
    assert.equal(silentAtMs.length, 1);
  });

  test("a device that is really gone is found after the stall and its grace", () => {
    const { clock, silentAtMs } = watchOne();
    clock.virtual.advance(14_500);
    clock.stall(60_000);
    clock.virtual.advance(DETECTION_MS + 1_000);
    assert.equal(silentAtMs.length, 1);
  });

  test("the wall time of the last packet follows the clocks", () => {
    const { clock, presence, slot } = watchOne();
    clock.virtual.advance(5_000);
    presence.seen(slot);
    const seenAtMs = clock.wallMs();
    clock.virtual.advance(7_000);
    assert.equal(presence.lastSeenWallMs(slot), seenAtMs);
  });
});
