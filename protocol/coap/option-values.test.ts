// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { checkOptions } from "./option-checks.ts";
import {
  blockBytes,
  blockOption,
  decodeBlock,
  decodeText,
  decodeUint,
  encodeUint,
} from "./option-values.ts";
import { OptionNumber } from "./options.ts";

const KNOWN: ReadonlySet<number> = new Set([OptionNumber.UriPath, OptionNumber.MaxAge]);

function option(number: number, text = ""): { number: number; value: Buffer } {
  return { number, value: Buffer.from(text) };
}

describe("option values", () => {
  test("an unsigned integer has no useless bytes", () => {
    assert.deepEqual(encodeUint(0), Buffer.alloc(0));
    assert.deepEqual(encodeUint(255), Buffer.of(0xff));
    assert.deepEqual(encodeUint(256), Buffer.of(1, 0));
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 40 }), (value) => {
        assert.equal(decodeUint(encodeUint(value)), value);
      }),
    );
  });

  test("a block says its number, its size and whether more follow", () => {
    // RFC 7959 §2.2: 2:0/1/64 is block 0 of more, of 64 bytes.
    const block = { number: 0, hasMore: true, sizeExponent: 2 };
    assert.deepEqual(blockOption(OptionNumber.Block2, block).value, Buffer.of(0x0a));
    assert.equal(blockBytes(2), 64);
    const last = { number: 0xf_ffff, hasMore: false, sizeExponent: 6 };
    const { value } = blockOption(OptionNumber.Block1, last);
    assert.deepEqual(decodeBlock(Buffer.from(value)), last);
    assert.equal(decodeBlock(Buffer.of(0x07)), null, "size exponent 7 is reserved");
  });

  test("text is UTF-8 or nothing", () => {
    assert.equal(decodeText(Buffer.from("größe")), "größe");
    assert.equal(decodeText(Buffer.of(0xff)), null);
  });
});

describe("option checks", () => {
  test("an elective option that nobody knows is passed over, a critical one refuses", () => {
    const path = option(OptionNumber.UriPath, "v1");
    assert.deepEqual(checkOptions([path, option(60_000)], KNOWN), { options: [path] });
    assert.deepEqual(checkOptions([path, option(60_001)], KNOWN), { badOption: 60_001 });
  });

  test("a wrong length or a repeat counts as not known", () => {
    const age = option(OptionNumber.MaxAge, "\u0001");
    assert.deepEqual(checkOptions([age, age], KNOWN), { options: [age] });
    const long = option(OptionNumber.MaxAge, "12345");
    assert.deepEqual(checkOptions([long], KNOWN), { options: [] });
    const path = option(OptionNumber.UriPath, "a");
    assert.deepEqual(checkOptions([path, path], KNOWN), { options: [path, path] });
    const tooLong = option(OptionNumber.UriPath, "a".repeat(256));
    assert.deepEqual(checkOptions([tooLong], KNOWN), { badOption: OptionNumber.UriPath });
  });
});
