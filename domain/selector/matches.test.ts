// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import type { DeviceFacts } from "../device.ts";
import { compileSelector } from "./matches.ts";
import { parseSelector } from "./parser.ts";

const till: DeviceFacts = {
  ordinal: 7,
  id: "till-7",
  region: "eu",
  site: "berlin-3",
  labels: { ring: "canary", note: "" },
  inventory: { hwRevision: "B" },
  serviceLevel: "gold",
  critical: true,
  retired: false,
};

function holds(selector: string, device: DeviceFacts = till): boolean {
  return compileSelector(parseSelector(selector))(device);
}

describe("a selector holds for a device", () => {
  const truths: { selector: string; expected: boolean }[] = [
    { selector: "", expected: true },
    { selector: "id = till-7", expected: true },
    { selector: "id = till", expected: false },
    { selector: "region in (us, eu)", expected: true },
    { selector: "region not in (us, eu)", expected: false },
    { selector: "critical = true", expected: true },
    { selector: "critical = yes", expected: false },
    { selector: "serviceLevel = gold and inventory.hwRevision = B", expected: true },
    { selector: "label.ring = canary or region = us", expected: true },
    { selector: "not (label.ring = canary or region = us)", expected: false },
    { selector: "label.ring exists", expected: true },
    { selector: "label.note exists", expected: false },
    { selector: "label.absent exists", expected: false },
    { selector: "id ~ till-?", expected: true },
    { selector: "id ~ till-??", expected: false },
    { selector: "site ~ berlin*", expected: true },
    { selector: "site ~ *-3", expected: true },
    { selector: "site ~ *", expected: true },
    { selector: 'label.note ~ ""', expected: true },
    { selector: 'site ~ "berl.n-3"', expected: false },
  ];
  for (const { selector, expected } of truths) {
    test(`${JSON.stringify(selector)} is ${expected}`, () => {
      assert.equal(holds(selector), expected);
    });
  }

  test("what a device does not have equals nothing", () => {
    assert.equal(holds("label.absent = canary"), false);
    assert.equal(holds("label.absent != canary"), true);
    assert.equal(holds("label.absent not in (canary)"), true);
    assert.equal(holds("label.absent ~ *"), false);
  });

  test("a label is never taken from the language's own objects", () => {
    assert.equal(holds("label.constructor exists"), false);
    assert.equal(holds("inventory.toString ~ *"), false);
  });
});

describe("globs", () => {
  test("a glob with many stars answers at once for a long value", () => {
    const glob = `${"*a".repeat(30)}b`;
    const device = { ...till, site: "a".repeat(250) };
    assert.equal(holds(`site ~ ${JSON.stringify(glob)}`, device), false);
  });

  test("match what the same glob matches as a regular expression", () => {
    const text = fc.string({ unit: fc.constantFrom("a", "b", "."), maxLength: 8 });
    const glob = fc.string({ unit: fc.constantFrom("a", "b", ".", "*", "?"), maxLength: 6 });
    fc.assert(
      fc.property(glob, text, (pattern, value) => {
        const source = pattern
          .replaceAll(".", "\\.")
          .replaceAll("*", "[^]*")
          .replaceAll("?", "[^]");
        const expected = new RegExp(`^${source}$`).test(value);
        const selector = `site ~ ${JSON.stringify(pattern)}`;
        assert.equal(holds(selector, { ...till, site: value }), expected);
      }),
      { numRuns: 2_000 },
    );
  });
});
