// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { outputParts } from "../../protocol/device/output-parts.ts";
import { OutputKeeper } from "./output-keeper.ts";

const chunks = fc.array(fc.string({ unit: fc.constantFrom("a", "b", "c", "\n"), maxLength: 40 }), {
  maxLength: 12,
});

function keep(limitBytes: number, printed: readonly string[]): OutputKeeper {
  const keeper = new OutputKeeper(limitBytes);
  for (const text of printed) keeper.add(Buffer.from(text));
  return keeper;
}

describe("an output keeper", () => {
  test("keeps all that is within its limit, else head and tail and how much is between", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 200 }), chunks, (limitBytes, printed) => {
        const whole = printed.join("");
        const keeper = keep(limitBytes, printed);
        assert.equal(keeper.totalBytes, whole.length);
        const headBytes = Math.ceil(limitBytes / 2);
        const leftOut = whole.length - limitBytes;
        const expected =
          leftOut <= 0
            ? whole
            : `${whole.slice(0, headBytes)}\n… ${leftOut} bytes left out …\n` +
              whole.slice(headBytes + leftOut);
        assert.equal(keeper.text(), expected);
      }),
    );
  });

  test("shows bytes that are no text as such", () => {
    const keeper = new OutputKeeper(8);
    keeper.add(Buffer.from([0x61, 0xff, 0x62]));
    assert.equal(keeper.text(), "a\ufffdb");
  });
});

describe("parts of an output", () => {
  test("make up the whole, fit a report each, and tear no character apart", () => {
    fc.assert(
      fc.property(fc.nat(4_000), fc.constantFrom("x", "ß", "🙂"), (count, character) => {
        const text = "y".repeat(count % 3) + character.repeat(count);
        const parts = outputParts(text);
        assert.equal(parts.join(""), text);
        for (const part of parts) {
          assert(part.length <= 1_200);
          assert.equal(part.isWellFormed(), true);
        }
      }),
    );
  });
});
