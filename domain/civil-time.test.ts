// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatInstant, parseInstant } from "./civil-time.ts";
import { isMusterError } from "./errors.ts";

describe("instants", () => {
  test("are read as the system's calendar reads them, and written to be read again", () => {
    const anySecond = fc.integer({ min: -62_135_596_800, max: 253_402_300_799 });
    fc.assert(
      fc.property(anySecond, (seconds) => {
        const atMs = seconds * 1_000;
        assert.equal(parseInstant(new Date(atMs).toISOString(), "f"), atMs);
        assert.equal(parseInstant(formatInstant(atMs), "f"), atMs);
      }),
    );
  });

  test("with an offset are what they are elsewhere", () => {
    const wanted = Date.parse("2026-12-01T21:00:00Z");
    for (const text of [
      "2026-12-01T22:00+01:00",
      "2026-12-01t21:00:00z",
      "2026-12-01 17:30-0330",
    ]) {
      assert.equal(parseInstant(text, "f"), wanted);
    }
    assert.equal(formatInstant(wanted), "2026-12-01 21:00Z");
  });

  const wrong = {
    "2026-12-01T22:00": /does not say in which time zone/,
    tomorrow: /is not an instant/,
    "2026-02-29T22:00Z": /not a moment that the calendar has/,
    "2026-12-01T24:00Z": /not a moment that the calendar has/,
    "2026-13-01T22:00Z": /not a moment that the calendar has/,
  };
  for (const [text, message] of Object.entries(wrong)) {
    test(`${text} is refused, with the field`, () => {
      assert.throws(
        () => parseInstant(text, "spec.expires"),
        (error) =>
          isMusterError(error) &&
          message.test(error.message) &&
          error.detail.field === "spec.expires",
      );
    });
  }
});
