// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DeviceReport } from "../../protocol/device/report.ts";
import type { ReportBatch } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import { SessionTable } from "../sessions/session-table.ts";
import { ReportBuffer } from "./report-buffer.ts";

const BATCH_MS = 100;

/** A table of granted sessions, with the tickets that each was told to acknowledge. */
class Bench {
  readonly clock = new VirtualClock();
  readonly table = new SessionTable({ maxSlots: 5_000 });
  readonly acknowledged: [slot: number, ticket: number][] = [];
  wakeCount = 0;
  readonly buffer: ReportBuffer;

  constructor(limits: { maxHeldReports?: number; maxHeldBytes?: number } = {}) {
    const { clock, table } = this;
    const wake = (): void => void (this.wakeCount += 1);
    this.buffer = new ReportBuffer({ clock, table, wake, ...limits });
  }

  session(ordinal: number): number {
    const slot: number = this.table.take({
      certificateSerial: "",
      deliver: () => "sent",
      acknowledge: (ticket) => void this.acknowledged.push([slot, ticket]),
      close: () => {},
    });
    const device = `d-${ordinal}-${slot}`;
    this.table.open(slot, { tenant: "t", device, protocolLevel: 5, keepAliveSeconds: 0 });
    this.buffer.sessionOpened(slot);
    if (ordinal > 0) this.grant(slot, ordinal);
    return slot;
  }

  grant(slot: number, ordinal: number): void {
    this.table.grant(slot, ordinal, 1);
    this.buffer.sessionIdentified(slot);
  }

  end(slot: number): void {
    this.buffer.sessionClosed(slot);
    this.table.release(slot);
  }

  next(): ReportBatch | null {
    const message = this.buffer.next();
    return message?.case === "reports" ? message.value : null;
  }
}

function report(generation: number, detail?: string): DeviceReport {
  const own = { rollout: 1, position: 0, generation, sequence: 1, phase: "failed" } as const;
  return detail === undefined ? own : { ...own, detail };
}

describe("report buffer", () => {
  test("takes a report of a device that has no session, for nobody to acknowledge", () => {
    const bench = new Bench({ maxHeldReports: 2 });
    bench.session(5);
    assert.equal(bench.buffer.addAbsent(5, report(1)), true);
    assert.equal(bench.buffer.addAbsent(6, report(2)), true);
    assert.equal(bench.buffer.addAbsent(7, report(3)), false, "the limit is the same");
    bench.clock.advance(BATCH_MS);
    assert.deepEqual(bench.next()?.ordinals, [5, 6]);
    bench.buffer.acknowledge(1n);
    assert.equal(bench.buffer.heldCount, 0);
    assert.deepEqual(bench.acknowledged, []);
  });

  test("a batch goes when it is full or its first report has waited 100 ms", () => {
    const bench = new Bench();
    const slots = Array.from({ length: 50 }, (_, index) => bench.session(index + 1));
    bench.buffer.linkOpened();
    bench.buffer.add(slots[0] as number, 0, report(1));
    assert.equal(bench.next(), null);
    bench.clock.advance(BATCH_MS);
    assert.equal(bench.wakeCount, 1);
    assert.deepEqual(bench.next()?.generations, [1]);
    for (let count = 0; count < 1_250; count += 1) {
      bench.buffer.add(slots[count % 50] as number, -1, report(count + 2));
    }
    assert.equal(bench.next()?.ordinals.length, 1_000);
    assert.equal(bench.next(), null);
    bench.clock.advance(BATCH_MS);
    assert.equal(bench.next()?.ordinals.length, 250);
  });

  test("an acknowledgement covers its batch and the earlier ones, each report once", () => {
    const bench = new Bench();
    const slot = bench.session(1);
    bench.buffer.linkOpened();
    for (const ticket of [0, 1, 2]) {
      bench.buffer.add(slot, ticket, report(ticket + 1));
      bench.clock.advance(BATCH_MS);
      assert.equal(bench.next()?.batchSequence, BigInt(ticket + 1));
    }
    bench.buffer.acknowledge(2n);
    assert.deepEqual(bench.acknowledged, [
      [slot, 0],
      [slot, 1],
    ]);
    bench.buffer.acknowledge(2n);
    bench.buffer.acknowledge(3n);
    assert.equal(bench.acknowledged.length, 3);
    assert.deepEqual([bench.buffer.heldCount, bench.buffer.heldBytes], [0, 0]);
  });

  test("after a break everything that was not acknowledged goes up again, in order", () => {
    const bench = new Bench();
    const slot = bench.session(1);
    bench.buffer.linkOpened();
    for (const ticket of [0, 1, 2]) {
      bench.buffer.add(slot, ticket, report(ticket + 1));
      bench.clock.advance(BATCH_MS);
      bench.next();
    }
    bench.buffer.acknowledge(1n);
    bench.buffer.linkLost();
    bench.buffer.linkOpened();
    assert.deepEqual([bench.next()?.generations, bench.next()?.generations], [[2], [3]]);
    assert.equal(bench.next(), null);
  });

  test("a bound that is reached refuses, for the session and for all", () => {
    const perSession = new Bench();
    const greedy = perSession.session(1);
    const other = perSession.session(2);
    for (let ticket = 0; ticket < 32; ticket += 1) {
      assert.equal(perSession.buffer.add(greedy, ticket, report(1)), true);
    }
    assert.equal(perSession.buffer.add(greedy, 32, report(1)), false);
    assert.equal(perSession.buffer.add(other, 0, report(1)), true);

    const inAll = new Bench({ maxHeldReports: 2 });
    const slots = [inAll.session(1), inAll.session(2), inAll.session(3)];
    const outcomes = slots.map((slot) => inAll.buffer.add(slot, 0, report(1)));
    assert.deepEqual(outcomes, [true, true, false]);

    const inBytes = new Bench({ maxHeldBytes: 5_000 });
    const slot = inBytes.session(1);
    assert.equal(inBytes.buffer.add(slot, 0, report(1, "x".repeat(2_000))), true);
    assert.equal(inBytes.buffer.add(slot, 1, report(2, "x".repeat(2_000))), false);
  });

  test("reports of an unknown ordinal wait for it, and are forgotten with their session", () => {
    const bench = new Bench();
    const first = bench.session(0);
    const second = bench.session(0);
    bench.buffer.linkOpened();
    bench.buffer.add(first, 0, report(1));
    bench.buffer.add(second, 0, report(2));
    bench.clock.advance(BATCH_MS);
    assert.equal(bench.next(), null);
    bench.end(first);
    bench.grant(second, 9);
    bench.clock.advance(BATCH_MS);
    const batch = bench.next();
    assert.deepEqual([batch?.ordinals, batch?.generations], [[9], [2]]);
    assert.equal(bench.buffer.heldCount, 1);
  });

  test("a late acknowledgement does not reach the session that has the slot now", () => {
    const bench = new Bench();
    const slot = bench.session(1);
    bench.buffer.linkOpened();
    bench.buffer.add(slot, 0, report(1));
    bench.clock.advance(BATCH_MS);
    bench.next();
    bench.end(slot);
    assert.equal(bench.session(2), slot);
    bench.buffer.acknowledge(1n);
    assert.deepEqual(bench.acknowledged, []);
    assert.equal(bench.buffer.heldCount, 0);
  });
});
