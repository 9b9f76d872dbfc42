// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { prefixEnd } from "./prefix-end.ts";

test("every text with the prefix is below the end, and the end itself has it not", () => {
  const text = fc.string({ unit: "binary", maxLength: 4 });
  fc.assert(
    fc.property(text, text, (prefix, rest) => {
      const end = prefixEnd(prefix);
      if (end === null) return;
      assert(Buffer.compare(Buffer.from(prefix + rest), Buffer.from(end)) < 0);
      assert(!end.startsWith(prefix));
    }),
  );
});

test("the end is the nearest one: a text at or after it has not the prefix", () => {
  assert.equal(prefixEnd("default/"), "default0");
  assert.equal(prefixEnd("a\u{d7ff}"), "a\u{e000}");
  assert.equal(prefixEnd("a\u{10ffff}"), "b");
});

test("the empty prefix and one of last characters have no end", () => {
  assert.equal(prefixEnd(""), null);
  assert.equal(prefixEnd("\u{10ffff}\u{10ffff}"), null);
});
