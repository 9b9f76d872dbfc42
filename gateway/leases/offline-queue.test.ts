// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import { HOLD_MS, KeptSessions, type KeptSession } from "../sessions/kept-sessions.ts";
import { SessionTable } from "../sessions/session-table.ts";
import { Lease } from "./lease.ts";
import { LeaseTable } from "./lease-table.ts";
import { MAX_QUEUED_BYTES, MAX_QUEUED_ENTRIES, recipients } from "./offline-queue.ts";

const clock = new VirtualClock();
const away = (ordinal: number): KeptSession => ({
  ordinal,
  subscriptions: 0,
  unreleased: [],
  deliveries: [],
  lastPacketId: 0,
  will: null,
});
const HOUR_SECONDS = 3_600;

interface Places {
  readonly table: SessionTable;
  readonly kept: KeptSessions;
  readonly leases: LeaseTable;
  readonly released: string[];
}

function places(maxSessions = 10): Places {
  const kept = new KeptSessions({ clock, maxSessions });
  const released: string[] = [];
  kept.observe({ holdEnded: (device) => void released.push(device), willDue: () => {} });
  const table = new SessionTable({ maxSlots: 4 });
  return { table, kept, leases: new LeaseTable(), released };
}

describe("what may wait for a device that is away", () => {
  test("32 entries, those that are here already counted", () => {
    const all = places();
    all.kept.keep("default/pump-1", away(7), HOUR_SECONDS);
    const ordinals = Array.from({ length: 20 }, () => 7);
    const offers = ordinals.map(() => Buffer.from("{}"));
    const first = recipients(all, ordinals, offers);
    assert.deepEqual(new Set(first), new Set(["default/pump-1"]));
    const content = { id: "l-1", rollout: 1, stopEpoch: 1, offers, ordinals, devices: first };
    const numbers = { positions: ordinals, generations: ordinals };
    all.leases.add(new Lease({ content: { ...content, ...numbers }, expiresAtMs: 1 }), 0);
    const second = recipients(all, ordinals, offers);
    assert.equal(second.filter((device) => device !== "").length, MAX_QUEUED_ENTRIES - 20);
  });

  test("64 KiB of offers", () => {
    const all = places();
    all.kept.keep("default/pump-1", away(7), HOUR_SECONDS);
    const offers = Array.from({ length: 5 }, () => Buffer.alloc(MAX_QUEUED_BYTES / 4));
    const devices = recipients(all, [7, 7, 7, 7, 7], offers);
    assert.deepEqual(
      devices.map((device) => device !== ""),
      [true, true, true, true, false],
    );
  });

  test("nothing, once its session is held no more", () => {
    const all = places();
    all.kept.keep("default/pump-1", away(7), HOUR_SECONDS);
    assert.deepEqual(recipients(all, [7, 8], [Buffer.of(1), Buffer.of(1)]), ["default/pump-1", ""]);
    clock.advance(HOLD_MS + 1_000);
    assert.deepEqual(all.released, ["default/pump-1"]);
    assert.deepEqual(recipients(all, [7], [Buffer.of(1)]), [""]);
    assert.notEqual(all.kept.resume("default/pump-1"), null, "the session is there all the same");
    all.kept.end();
  });
});

describe("sessions that are kept", () => {
  test("are as many as there are places, the newest of them", () => {
    const { kept, released } = places(2);
    for (const [index, device] of ["a", "b", "c"].entries()) {
      kept.keep(device, away(index + 1), HOUR_SECONDS);
    }
    assert.deepEqual(released, ["a"]);
    assert.equal(kept.count, 2);
    assert.equal(kept.resume("a"), null);
    assert.equal(kept.resume("b")?.ordinal, 2);
    assert.deepEqual(released, ["a"], "b is back: its entries stay");
    kept.end();
    assert.deepEqual(released, ["a", "c"]);
  });
});
