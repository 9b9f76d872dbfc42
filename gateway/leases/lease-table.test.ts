// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { EntryState, Lease, type EntryRef } from "./lease.ts";
import { LeaseTable, MAX_OPEN_ENTRIES } from "./lease-table.ts";

interface LeaseFacts {
  readonly id: string;
  readonly rollout?: number;
  readonly stopEpoch?: number;
  readonly expiresAtMs?: number;
  /** One entry each; the generation is the device's number. */
  readonly devices: readonly number[];
}

function lease(facts: LeaseFacts): Lease {
  const { id, rollout = 1, stopEpoch = 1, expiresAtMs = 1_000, devices } = facts;
  return new Lease({
    expiresAtMs,
    content: {
      id,
      rollout,
      stopEpoch,
      positions: devices,
      ordinals: devices,
      generations: devices,
      offers: devices.map(() => Buffer.from("offer")),
      devices: devices.map((device) => `default/${device}`),
    },
  });
}

function only(table: LeaseTable, device: number): EntryRef {
  const entries = table.entriesOf(`default/${device}`);
  assert.equal(entries.length, 1);
  return entries[0] as EntryRef;
}

describe("lease table", () => {
  test("an entry may be offered until its lease expires", () => {
    const table = new LeaseTable();
    assert.equal(table.add(lease({ id: "a", devices: [1] }), 0), "added");
    assert.equal(table.mayOffer(only(table, 1), 999), true);
    assert.equal(table.mayOffer(only(table, 1), 1_000), false);
    assert.equal(table.renew("a", 5_000), true);
    assert.equal(table.mayOffer(only(table, 1), 4_999), true);
  });

  test("a lease that is expired, known, of an older epoch or one too many is not taken", () => {
    const table = new LeaseTable();
    assert.equal(table.add(lease({ id: "a", devices: [1] }), 1_000), "expired");
    assert.equal(table.add(lease({ id: "a", devices: [1] }), 0), "added");
    assert.equal(table.add(lease({ id: "a", devices: [1] }), 0), "known");
    table.raiseStopEpoch(1, 5);
    assert.equal(table.add(lease({ id: "b", devices: [2], stopEpoch: 4 }), 0), "stale");
    assert.equal(table.add(lease({ id: "b", devices: [2], stopEpoch: 5 }), 0), "added");
    const many = Array.from({ length: MAX_OPEN_ENTRIES }, (_, index) => index + 10);
    assert.equal(table.add(lease({ id: "c", rollout: 2, devices: many }), 0), "full");
  });

  test("a stop withdraws what was sent, returns the rest, and leaves the newer epoch alone", () => {
    const table = new LeaseTable();
    table.add(lease({ id: "old", devices: [1, 2], stopEpoch: 1 }), 0);
    table.add(lease({ id: "new", devices: [3], stopEpoch: 2 }), 0);
    table.setState(only(table, 1), EntryState.Sent);
    table.raiseStopEpoch(1, 2);
    const { withdrawing, returned } = table.stop(1);
    assert.deepEqual(
      withdrawing.map(({ lease: { content }, index }) => content.devices[index]),
      ["default/1"],
    );
    assert.deepEqual(
      returned.map(({ leaseId, generations, sent }) => [leaseId, generations, sent]),
      [["old", [2], [false]]],
    );
    assert.equal(table.mayOffer(only(table, 3), 0), true);
    assert.deepEqual(table.stop(1).withdrawing, [], "once");
  });

  test("a restored entry counts as sent, and may be offered again", () => {
    const table = new LeaseTable();
    const restored = lease({ id: "a", devices: [1] });
    restored.isRestored = true;
    table.add(restored, 0);
    assert.equal(table.mayOffer(only(table, 1), 0), true);
    assert.deepEqual(table.returnDevice("default/1")[0]?.sent, [true]);
  });

  test("each entry ends exactly once, whatever happens in whatever order", () => {
    const device = fc.integer({ min: 1, max: 12 });
    const step = fc.oneof(
      fc.record({ kind: fc.constant("answer" as const), device }),
      fc.record({ kind: fc.constant("leave" as const), device }),
      fc.record({ kind: fc.constant("send" as const), device }),
      fc.record({ kind: fc.constant("revoke" as const), lease: fc.constantFrom("a", "b") }),
      fc.record({ kind: fc.constant("stop" as const), epoch: fc.integer({ min: 1, max: 3 }) }),
      fc.record({ kind: fc.constant("pass" as const), ms: fc.nat(600) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const table = new LeaseTable();
        table.add(lease({ id: "a", devices: [1, 2, 3, 4, 5, 6] }), 0);
        table.add(lease({ id: "b", devices: [7, 8, 9, 10, 11, 12], expiresAtMs: 700 }), 0);
        const ended: number[] = [];
        const sent = new Set<number>();
        let nowMs = 0;
        const take = (returned: ReturnType<LeaseTable["expire"]>): void => {
          for (const entries of returned) {
            ended.push(...entries.generations);
            entries.generations.forEach((generation, index) => {
              assert.equal(entries.sent[index], sent.has(generation));
            });
          }
        };
        for (const action of steps) {
          if (action.kind === "answer") {
            if (table.answer(`default/${action.device}`, 1, action.device)) {
              ended.push(action.device);
            }
          } else if (action.kind === "leave") {
            take(table.returnDevice(`default/${action.device}`));
          } else if (action.kind === "send") {
            for (const entry of table.entriesOf(`default/${action.device}`)) {
              if (!table.mayOffer(entry, nowMs)) continue;
              assert.ok(entry.lease.content.stopEpoch >= table.stopEpochOf(1));
              assert.ok(nowMs < entry.lease.expiresAtMs);
              table.setState(entry, EntryState.Sent);
              sent.add(action.device);
            }
          } else if (action.kind === "revoke") take(table.revoke(action.lease));
          else if (action.kind === "stop") {
            table.raiseStopEpoch(1, action.epoch);
            take(table.stop(1).returned);
          } else take(table.expire((nowMs += action.ms)));
        }
        assert.equal(table.openCount, 12 - ended.length);
        take(table.expire(Infinity));
        assert.deepEqual(
          ended.toSorted((a, b) => a - b),
          [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12],
        );
        assert.deepEqual([table.openCount, table.leaseCount], [0, 0]);
      }),
    );
  });
});
