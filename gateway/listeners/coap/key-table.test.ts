// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CONTEXT_BYTES, KeyTable, ROW_LIFETIME_MS, type DeviceContext } from "./key-table.ts";

function context(number: number, firstNumber = 0): DeviceContext {
  const senderId = Buffer.alloc(4);
  senderId.writeUInt32BE(number);
  return {
    senderId,
    tenant: "default",
    device: `dev-${number}`,
    keys: Buffer.alloc(CONTEXT_BYTES, number & 0xff),
    numbers: { first: firstNumber, count: 2 },
  };
}

describe("key table", () => {
  test("finds each of many devices by its sender id, and no other", () => {
    const table = new KeyTable({ maxRows: 20_000, seed: 7 });
    for (let number = 0; number < 20_000; number += 1) {
      assert.equal(table.add(context(number), 0), number);
    }
    assert.equal(table.add(context(20_000), 0), -1, "there is no room");
    for (let number = 0; number < 20_000; number += 7) {
      const row = table.find(context(number).senderId);
      assert.equal(row, number);
      assert.equal(table.nameOf(row), `default/dev-${number}`);
      assert.deepEqual(table.senderIdOf(row), context(number).senderId);
      assert.deepEqual(table.deviceKeyOf(row), Buffer.alloc(16, number & 0xff));
      assert.equal(table.commonIvOf(row).length, 13);
    }
    assert.equal(table.find(context(20_000).senderId), -1);
    assert.equal(table.find(Buffer.from("00", "hex")), -1, "a shorter id is another one");
  });

  test("forgets rows that nobody uses, but not those with a session", () => {
    const table = new KeyTable({ maxRows: 4, seed: 7 });
    for (let number = 0; number < 4; number += 1) table.add(context(number), 0);
    table.sessionOpened(1, 10);
    table.verify(2, 5, 100_000);
    table.sweep(ROW_LIFETIME_MS - 1_000);
    assert.equal(table.count, 4);
    table.sweep(ROW_LIFETIME_MS + 1_000);
    assert.equal(table.count, 2);
    assert.equal(table.find(context(0).senderId), -1);
    assert.equal(table.find(context(1).senderId), 1);
    assert.equal(table.find(context(2).senderId), 2);
    assert.ok([0, 3].includes(table.add(context(9), 0)), "a freed row is used again");
    assert.equal(table.find(context(9).senderId) >= 0, true);
    assert.equal(table.slotOf(1), 10);
  });

  test("gives each number of a range once, and then those of the next", () => {
    const table = new KeyTable({ maxRows: 4, seed: 7 });
    const row = table.add(context(1, 100), 0);
    assert.deepEqual(
      [table.takeNumber(row), table.takeNumber(row), table.takeNumber(row)],
      [100, 101, -1],
    );
    assert.equal(table.add(context(1, 2 ** 39), 0), row);
    assert.equal(table.takeNumber(row), 2 ** 39);
    assert.equal(table.numbersLeft(row), 1);
  });

  test("challenges a device anew whenever it has answered, and after its session", () => {
    const table = new KeyTable({ maxRows: 4, seed: 7 });
    const row = table.add(context(1), 0);
    const seen = new Set([table.challengeOf(row)]);
    table.verify(row, 5, 0);
    seen.add(table.challengeOf(row));
    table.sessionOpened(row, 3);
    table.sessionEnded(row, "default/dev-1");
    seen.add(table.challengeOf(row));
    assert.equal(seen.size, 3);
    assert.equal(table.isVerified(row), false);
    const other = table.add(context(2), 0);
    assert.equal(seen.has(table.challengeOf(other)), false);
  });

  test("takes a number once, and none from before the challenge", () => {
    const table = new KeyTable({ maxRows: 4, seed: 7 });
    const row = table.add(context(1), 0);
    table.verify(row, 50, 0);
    assert.deepEqual(
      [table.isNew(row, 50), table.isNew(row, 49), table.isNew(row, 51)],
      [false, false, true],
    );
    assert.equal(table.accept(row, 52, 0), true);
    assert.equal(table.accept(row, 51, 0), true);
    assert.equal(table.accept(row, 51, 0), false);
  });
});
