// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readPace, type Pace } from "../../protocol/device/pace.ts";
import type { DownChannel } from "../../protocol/device/topics.ts";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import type { DeliveryOutcome, DeviceLink } from "../sessions/device-link.ts";
import { SessionTable } from "../sessions/session-table.ts";
import { PaceKeeper } from "./pace-keeper.ts";

const INTERVAL_MS = 5_000;
const SLOWER: Pace = { heartbeatIntervalMs: 30_000, validMs: 120_000 };
const USUAL: Pace = { heartbeatIntervalMs: 5_000, validMs: 0 };
const ROUND_MS = 5_000;

class TestLink implements DeviceLink {
  readonly certificateSerial = "01";
  outcome: DeliveryOutcome = "sent";
  readonly heard: (Pace | null)[] = [];

  deliver(channel: DownChannel, payload: Uint8Array): DeliveryOutcome {
    assert.equal(channel, "config");
    if (this.outcome === "sent") this.heard.push(readPace(payload));
    return this.outcome;
  }

  acknowledge(): void {}
  close(): void {}
}

class Bench {
  readonly clock = new VirtualClock();
  readonly table = new SessionTable({ maxSlots: 20_000 });
  readonly keeper = new PaceKeeper({
    clock: this.clock,
    table: this.table,
    heartbeatIntervalMs: INTERVAL_MS,
  });
  #lastDevice = 0;

  /** `isCritical` null: the center has not granted the session. */
  join(isCritical: boolean | null, protocolLevel = 5, keepAliveSeconds = 10): TestLink {
    const link = new TestLink();
    const slot = this.table.take(link);
    this.#lastDevice += 1;
    const device = `pump-${this.#lastDevice}`;
    this.table.open(slot, { tenant: "default", device, protocolLevel, keepAliveSeconds });
    this.table.silenceLimitMs[slot] = 15_000;
    if (isCritical === null) return link;
    this.table.setCritical(slot, isCritical);
    this.table.grant(slot, this.#lastDevice, 1);
    return link;
  }
}

describe("the pace of heartbeats", () => {
  test("is slowed down for devices that are not critical, and restored", () => {
    const bench = new Bench();
    const [ordinary, critical, unknown] = [bench.join(false), bench.join(true), bench.join(null)];
    assert.equal(bench.clock.timerCount, 0, "idle costs nothing");
    bench.keeper.backlogExceeded();
    bench.clock.advance(ROUND_MS);
    assert.deepEqual(ordinary.heard, [SLOWER]);
    assert.equal(bench.keeper.slowedCount(), 1);
    bench.keeper.backlogOver();
    bench.clock.advance(ROUND_MS);
    assert.deepEqual(ordinary.heard, [SLOWER, USUAL]);
    assert.deepEqual([critical.heard, unknown.heard], [[], []]);
    assert.deepEqual([bench.keeper.slowedCount(), bench.clock.timerCount], [0, 0]);
  });

  test("goes out over five seconds, however many devices there are", () => {
    const bench = new Bench();
    const links = Array.from({ length: 10_000 }, () => bench.join(false));
    const toldCount = (): number => links.filter(({ heard }) => heard.length > 0).length;
    bench.keeper.backlogExceeded();
    for (let turn = 1; turn <= 250; turn += 1) {
      bench.clock.advance(20);
      assert.equal(toldCount(), turn * 40);
    }
  });

  test("is said to whoever connects, is granted or has room meanwhile", () => {
    const bench = new Bench();
    const full = bench.join(false);
    full.outcome = "blocked";
    const waiting = bench.join(null);
    bench.keeper.backlogExceeded();
    bench.clock.advance(ROUND_MS);
    const joiner = bench.join(false);
    full.outcome = "sent";
    bench.table.setCritical(1, false);
    bench.clock.advance(ROUND_MS);
    assert.deepEqual([full.heard, waiting.heard, joiner.heard], [[SLOWER], [SLOWER], [SLOWER]]);
  });

  test("is said again well before it ends", () => {
    const bench = new Bench();
    const { heard } = bench.join(false);
    bench.keeper.backlogExceeded();
    bench.clock.advance(ROUND_MS * 9);
    assert.deepEqual(heard, [SLOWER, SLOWER]);
    bench.clock.advance(1_200_000);
    assert.ok(heard.length > 30, "once in 40 s, of which 120 are valid");
  });

  test("is not slowed down where nothing else would be a sign of life", () => {
    const bench = new Bench();
    const links = [0, 15, 60, 10].map((seconds) => bench.join(false, 4, seconds));
    bench.keeper.backlogExceeded();
    bench.clock.advance(ROUND_MS * 2);
    assert.deepEqual(
      links.map(({ heard }) => heard),
      [[], [], [], [SLOWER]],
    );
  });

  test("is tried to be restored until what the device was told has ended", () => {
    const bench = new Bench();
    const [full, other] = [bench.join(false), bench.join(false)];
    bench.keeper.backlogExceeded();
    bench.clock.advance(ROUND_MS);
    full.outcome = "blocked";
    bench.keeper.backlogOver();
    bench.clock.advance(ROUND_MS * 3);
    assert.deepEqual(other.heard, [SLOWER, USUAL]);
    assert.equal(bench.keeper.slowedCount(), 1);
    bench.clock.advance(120_000);
    assert.deepEqual([bench.keeper.slowedCount(), bench.clock.timerCount], [0, 0]);
  });

  test("belongs to the session: a slot that was taken anew was told nothing", () => {
    const bench = new Bench();
    bench.join(false);
    bench.keeper.backlogExceeded();
    bench.clock.advance(ROUND_MS);
    bench.table.release(0);
    assert.equal(bench.keeper.slowedCount(), 0);
    const { heard } = bench.join(false);
    bench.clock.advance(ROUND_MS);
    assert.deepEqual(heard, [SLOWER]);
    bench.keeper.stop();
    assert.equal(bench.clock.timerCount, 0);
  });
});
