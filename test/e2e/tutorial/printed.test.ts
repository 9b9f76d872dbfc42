// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { printsAsShown } from "./printed.ts";

describe("what a page shows", () => {
  const digest = (letter: string): string => letter.repeat(64);

  it("is what is printed, but for digests, times, sizes and the width of columns", () => {
    const shown = `ID     WHEN\ntill  2026-11-22 16:58:19Z  259 B\n${digest("a")}\n`;
    const actual = `ID  WHEN\ntill      2027-01-02 03:04:05Z  7 B\n${digest("b")}\n`;
    assert.equal(printsAsShown(shown, actual), true);
  });

  it("is not what is printed when a word, a line or a form differs", () => {
    assert.equal(printsAsShown("a\nb\n", "a\nc\n"), false);
    assert.equal(printsAsShown("a\n", "a\nb\n"), false);
    assert.equal(printsAsShown("a\nb\n", "a\n"), false);
    assert.equal(printsAsShown(`${digest("a")}\n`, "aaaa\n"), false);
    assert.equal(printsAsShown("a.c\n", "abc\n"), false);
    assert.equal(printsAsShown("", "a\n"), false);
  });

  it("may leave out a part of a line, or lines", () => {
    assert.equal(printsAsShown("good until … here\n", "good until tomorrow, here\n"), true);
    assert.equal(printsAsShown("good until … here\n", "good until tomorrow\nhere\n"), false);
    assert.equal(printsAsShown("a\n…\nd\n", "a\nb\nc\nd\n"), true);
    assert.equal(printsAsShown("a\n…\nd\n", "a\nd\n"), true);
    assert.equal(printsAsShown("a\n…\n", "b\nc\n"), false);
  });
});
