// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import { HeartbeatWheel } from "./heartbeat-wheel.ts";
import type { WheelMember } from "./heartbeat-wheel.ts";

class Member implements WheelMember {
  wheelBucket = -1;
  beatCount = 0;
  readonly heartbeatIntervalMs: number;
  readonly onBeat: () => void;

  constructor(heartbeatIntervalMs: number, onBeat: () => void = () => {}) {
    this.heartbeatIntervalMs = heartbeatIntervalMs;
    this.onBeat = onBeat;
  }

  beat(): void {
    this.beatCount += 1;
    this.onBeat();
  }
}

function wheelOf(clock: VirtualClock): HeartbeatWheel {
  const wheel = new HeartbeatWheel({ clock });
  wheel.start();
  return wheel;
}

describe("the wheel of heartbeats", () => {
  it("lets each device beat at its interval, on one timer for all", () => {
    const clock = new VirtualClock();
    const wheel = wheelOf(clock);
    const members = [1_000, 5_000, 100_000].map((intervalMs) => new Member(intervalMs));
    for (const member of members) wheel.add(member, 0.5);
    assert.equal(clock.timerCount, 1);
    clock.advance(100_000);
    assert.deepEqual(
      members.map(({ beatCount }) => beatCount),
      [100, 20, 1],
    );
  });

  it("spreads devices that come together over the interval", () => {
    const clock = new VirtualClock();
    const wheel = wheelOf(clock);
    const members = Array.from({ length: 10 }, () => new Member(1_000));
    members.forEach((member, index) => wheel.add(member, (index + 1) / 10));
    const seen: number[] = [];
    for (let step = 0; step < 10; step += 1) {
      clock.advance(100);
      seen.push(members.filter(({ beatCount }) => beatCount === 1).length);
    }
    assert.deepEqual(seen, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it("forgets who leaves, also while others beat", () => {
    const clock = new VirtualClock();
    const wheel = wheelOf(clock);
    const second = new Member(1_000);
    const first = new Member(1_000, () => wheel.remove(second));
    wheel.add(first, 1);
    wheel.add(second, 1);
    clock.advance(5_000);
    assert.deepEqual([first.beatCount, second.beatCount], [5, 0]);
    wheel.stop();
    assert.equal(clock.timerCount, 0);
  });

  it("holds a device once, however often it is added", () => {
    const clock = new VirtualClock();
    const wheel = wheelOf(clock);
    const member = new Member(1_000);
    for (let count = 0; count < 3; count += 1) wheel.add(member, count / 3);
    clock.advance(10_000);
    assert.equal(member.beatCount, 10);
  });
});
