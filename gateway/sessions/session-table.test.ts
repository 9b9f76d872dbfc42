// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { DeviceLink } from "./device-link.ts";
import { SessionTable } from "./session-table.ts";

function link(): DeviceLink {
  return {
    certificateSerial: "01",
    deliver: () => "sent",
    acknowledge: () => {},
    close: () => {},
  };
}

const FACTS = { tenant: "default", device: "pump-1", protocolLevel: 5, keepAliveSeconds: 10 };

describe("session table", () => {
  test("a device's newer session takes its name and ordinal from the older one", () => {
    const table = new SessionTable({ maxSlots: 10 });
    const first = table.take(link());
    assert.equal(table.open(first, FACTS), -1);
    table.grant(first, 77, 5);
    const second = table.take(link());
    assert.equal(table.open(second, FACTS), first);
    assert.equal(table.slotOfDevice("default/pump-1"), second);
    assert.equal(table.slotOfOrdinal(77), -1, "the new session has not been granted yet");
    table.release(first);
    assert.equal(table.slotOfDevice("default/pump-1"), second, "the old one's end changes nothing");
    table.grant(second, 77, 6);
    assert.equal(table.slotOfOrdinal(77), second);
  });

  test("the same device id in another tenant is another device", () => {
    const table = new SessionTable({ maxSlots: 10 });
    table.open(table.take(link()), FACTS);
    assert.equal(table.open(table.take(link()), { ...FACTS, tenant: "other" }), -1);
    assert.equal(table.openCount, 2);
  });

  test("a late answer to a slot that was reused finds nobody", () => {
    const table = new SessionTable({ maxSlots: 1 });
    const slot = table.take(link());
    table.open(slot, FACTS);
    const staleId = table.localId(slot);
    table.release(slot);
    assert.equal(table.slotOfLocalId(staleId), -1);
    assert.equal(table.take(link()), slot);
    table.open(slot, { ...FACTS, device: "pump-2" });
    assert.equal(table.slotOfLocalId(staleId), -1);
    assert.equal(table.slotOfLocalId(table.localId(slot)), slot);
  });

  test("a full table takes nobody, and takes again when a slot is free", () => {
    const table = new SessionTable({ maxSlots: 200 });
    const slots = Array.from({ length: 200 }, () => table.take(link()));
    assert.equal(new Set(slots).size, 200);
    assert.equal(table.take(link()), -1);
    table.release(slots[42] as number);
    assert.equal(table.take(link()), 42);
  });

  test("a slot starts anew with each connection", () => {
    const table = new SessionTable({ maxSlots: 1 });
    const slot = table.take(link());
    table.open(slot, FACTS);
    table.grant(slot, 9, 2 ** 40);
    assert.equal(table.fence[slot], 2 ** 40);
    table.release(slot);
    table.take(link());
    assert.equal(table.ordinal[slot], 0);
    assert.equal(table.isOpen(slot), false);
    assert.equal(table.isGranted(slot), false);
  });
});
