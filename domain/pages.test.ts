// SPDX-License-Identifier: Apache-2.0
/** The stored forms of attempt pages and running pages: what is written reads back, anywhere. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  CELLS_PER_PAGE,
  copyAttemptPage,
  createAttemptPage,
  decodeAttemptPage,
  encodeAttemptPage,
  UNKNOWN_RELEASE,
  type AttemptPage,
} from "./attempt-page.ts";
import {
  createRunningPage,
  decodeRunningPage,
  DEVICES_PER_PAGE,
  encodeRunningPage,
  SLOT_NAMES,
} from "./running-page.ts";

const COLUMNS = {
  generation: 0x7fff_ffff,
  enteredAt: 0xffff_ffff,
  soakingSince: 0xffff_ffff,
  acceptedAt: 0xffff_ffff,
  previous: 0xffff,
  sequence: 0xffff,
  state: 0xff,
  flags: 0xff,
  reason: 0xff,
  tries: 0xff,
} as const satisfies Partial<Record<keyof AttemptPage, number>>;
const NAMES = Object.keys(COLUMNS) as (keyof typeof COLUMNS)[];

describe("an attempt page", () => {
  test("begins with every cell pending and its past unknown", () => {
    const page = createAttemptPage(3, 2);
    assert.deepEqual([page.number, page.cellCount, page.state.length], [3, 2, 2]);
    assert.deepEqual([...page.state], [0, 0]);
    assert.deepEqual([...page.previous], [UNKNOWN_RELEASE, UNKNOWN_RELEASE]);
  });

  test("reads back as it was written, each column for itself, at any number of cells", () => {
    const writes = fc.array(
      fc.record({ name: fc.constantFrom(...NAMES), cell: fc.nat(), value: fc.nat() }),
      { maxLength: 40 },
    );
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 70 }), writes, (cellCount, values) => {
        const page = createAttemptPage(1, cellCount);
        const expected = new Map(NAMES.map((name) => [name, [...page[name]]]));
        for (const { name, cell, value } of values) {
          const index = cell % cellCount;
          page[name][index] = value % (COLUMNS[name] + 1);
          expected.get(name)![index] = value % (COLUMNS[name] + 1);
        }
        const read = decodeAttemptPage(1, encodeAttemptPage(page));
        for (const name of NAMES) assert.deepEqual([...read[name]], expected.get(name), name);
      }),
      { numRuns: 300 },
    );
  });

  test("holds the largest value of each column in its last cell", () => {
    const page = createAttemptPage(0, CELLS_PER_PAGE);
    for (const name of NAMES) page[name][CELLS_PER_PAGE - 1] = COLUMNS[name];
    const read = decodeAttemptPage(0, encodeAttemptPage(page));
    for (const name of NAMES) {
      assert.equal(read[name][CELLS_PER_PAGE - 1], COLUMNS[name], name);
      assert.equal(read[name][CELLS_PER_PAGE - 2], createAttemptPage(0, 1)[name][0], name);
    }
  });

  test("is 24 bytes a cell and a header of 8, read from bytes at any offset", () => {
    const bytes = encodeAttemptPage(createAttemptPage(0, 5));
    assert.equal(bytes.length, 8 + 5 * 24);
    const shifted = new Uint8Array(bytes.length + 3);
    shifted.set(bytes, 3);
    assert.equal(decodeAttemptPage(0, shifted.subarray(3)).cellCount, 5);
  });

  test("that is copied, encoded or decoded shares nothing with the original", () => {
    const page = createAttemptPage(0, 1);
    const bytes = encodeAttemptPage(page);
    const [copy, read] = [copyAttemptPage(page), decodeAttemptPage(0, bytes)];
    page.state[0] = 5;
    bytes[bytes.length - 4] = 9;
    assert.deepEqual([copy.state[0], read.state[0], page.state[0]], [0, 0, 5]);
  });

  test("of another kind, or cut short, is a broken invariant", () => {
    const bytes = encodeAttemptPage(createAttemptPage(0, 5));
    assert.throws(() => decodeAttemptPage(0, bytes.subarray(1)), /begins with its magic/);
    assert.throws(() => decodeAttemptPage(0, bytes.subarray(0, -1)), /the length its cell count/);
    const tooMany = bytes.slice();
    new DataView(tooMany.buffer).setUint32(4, CELLS_PER_PAGE + 1, true);
    assert.throws(() => decodeAttemptPage(0, tooMany), /at most 4,096 cells/);
  });
});

describe("a running page", () => {
  test("reads back as it was written, each slot for itself", () => {
    const page = createRunningPage(2);
    const last = DEVICES_PER_PAGE - 1;
    page.lastGeneration[last] = 0x7fff_ffff;
    SLOT_NAMES.forEach((_, slot) => {
      page.slots[slot]!.generation[last] = 0x7fff_fff0 + slot;
      page.slots[slot]!.release[last] = 0xfff0 + slot;
      page.slots[slot]!.flags[last] = 0xf0 + slot;
    });
    const read = decodeRunningPage(2, encodeRunningPage(page));
    assert.deepEqual(read, page);
    assert.equal(read.slots[0]?.generation[last - 1], 0);
  });

  test("has 32 bytes a device, and no other length", () => {
    const bytes = encodeRunningPage(createRunningPage(0));
    assert.equal(bytes.length, 8 + DEVICES_PER_PAGE * 32);
    assert.throws(() => decodeRunningPage(0, bytes.subarray(4)), /its one length/);
    assert.throws(() => decodeRunningPage(0, new Uint8Array(bytes.length)), /its magic/);
  });

  test("that is encoded shares nothing with the original", () => {
    const page = createRunningPage(0);
    const bytes = encodeRunningPage(page);
    page.lastGeneration[0] = 7;
    assert.equal(decodeRunningPage(0, bytes).lastGeneration[0], 0);
  });
});
