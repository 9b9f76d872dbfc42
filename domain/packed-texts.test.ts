// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { NumberColumn } from "./number-column.ts";
import { PackedTexts } from "./packed-texts.ts";

const id = fc.string({
  unit: fc.constantFrom("a", "z", "X", "0", "9", ".", "_", ":", "-"),
  minLength: 1,
  maxLength: 128,
});

describe("packed texts", () => {
  test("give back each text at its index, and nothing where none was set", () => {
    const entries = fc.uniqueArray(fc.tuple(fc.nat({ max: 50_000 }), id), {
      selector: ([index]) => index,
      maxLength: 200,
    });
    fc.assert(
      fc.property(entries, (given) => {
        const texts = new PackedTexts();
        for (const [index, text] of given) assert(texts.set(index, text));
        for (const [index, text] of given) {
          assert.equal(texts.at(index), text);
          assert.equal(Buffer.from(texts.bytesAt(index)).toString(), text);
        }
        assert.equal(texts.at(50_001), "");
      }),
      { numRuns: 100 },
    );
  });

  test("hold the longest ids of a whole chunk", () => {
    const texts = new PackedTexts();
    const textOf = (index: number): string => String(index).padStart(128, "x");
    for (let index = 0; index < 16_385; index++) texts.set(index, textOf(index));
    for (let index = 0; index < 16_385; index++) assert.equal(texts.at(index), textOf(index));
  });

  test("keep the first text of an index", () => {
    const texts = new PackedTexts();
    assert.deepEqual([texts.set(7, "a"), texts.set(7, "b"), texts.at(7)], [true, false, "a"]);
  });
});

test("a column of numbers keeps them in order, however many come", () => {
  const column = new NumberColumn(Uint32Array);
  for (let index = 0; index < 1_000; index++) column.push(index * 3);
  assert.equal(column.length, 1_000);
  assert.deepEqual([column.at(0), column.at(999), column.at(1_000)], [0, 2_997, 0]);
  assert.deepEqual([...column.inOrder(Uint32Array.of(999, 0, 1))], [2_997, 0, 3]);
});
