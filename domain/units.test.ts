// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import {
  formatAmount,
  formatDuration,
  limitOf,
  MAX_DURATION_MS,
  parseAmount,
  parseDurationMs,
  sizeOf,
} from "./units.ts";

describe("amounts", () => {
  test("counts and percentages are read", () => {
    assert.deepEqual(parseAmount("50", "f"), { count: 50 });
    assert.deepEqual(parseAmount(" 10% ", "f"), { percent: 10 });
    assert.deepEqual(parseAmount("0.5%", "f"), { percent: 0.5 });
    assert.deepEqual(parseAmount("100%", "f"), { percent: 100 });
    assert.deepEqual(parseAmount("4294967295", "f"), { count: 4_294_967_295 });
  });

  for (const text of ["", "%", "-1", "1.5", "101%", "ten", "1e3", "4294967296", "5 %", "NaN"]) {
    test(`${JSON.stringify(text)} is refused by name of its field`, () => {
      assert.throws(() => parseAmount(text, "spec.waves[0]"), {
        code: "invalid_argument",
        message: `${JSON.stringify(text)} is neither a count like 50 nor a percentage like 10%`,
        detail: { field: "spec.waves[0]" },
      });
    });
  }

  test("what is printed reads back", () => {
    const amount = fc.oneof(
      fc.nat().map((count) => ({ count })),
      fc.integer({ min: 0, max: 10_000 }).map((hundredths) => ({ percent: hundredths / 100 })),
    );
    fc.assert(
      fc.property(amount, (given) => {
        assert.deepEqual(parseAmount(formatAmount(given), "f"), given);
      }),
    );
  });
});

describe("shares of a fleet", () => {
  test("a limit rounds down and a size rounds up", () => {
    assert.equal(limitOf({ percent: 10 }, 19), 1);
    assert.equal(sizeOf({ percent: 10 }, 19), 2);
  });

  test("a limit above nothing lets at least one device start", () => {
    assert.equal(limitOf({ percent: 1 }, 3), 1);
    assert.equal(limitOf({ percent: 0 }, 3), 0);
    assert.equal(limitOf({ percent: 50 }, 0), 0);
  });

  test("a percentage that comes out even is not off by one", () => {
    assert.equal(sizeOf({ percent: 1.1 }, 1_000), 11);
    assert.equal(limitOf({ percent: 0.29 }, 10_000), 29);
    assert.equal(limitOf({ percent: 57 }, 100), 57);
  });

  test("a size is never above the total, a limit by count is as given", () => {
    assert.equal(sizeOf({ count: 500 }, 20), 20);
    assert.equal(limitOf({ count: 500 }, 20), 500);
  });

  test("limit ≤ exact share ≤ size, and both within one of it", () => {
    const cents = fc.integer({ min: 1, max: 10_000 });
    fc.assert(
      fc.property(cents, fc.integer({ min: 1, max: 4_000_000 }), (hundredths, total) => {
        const amount = { percent: hundredths / 100 };
        const exact = BigInt(hundredths) * BigInt(total);
        const down = Number(exact / 10_000n);
        const up = Number((exact + 9_999n) / 10_000n);
        assert.equal(limitOf(amount, total), Math.max(1, down));
        assert.equal(sizeOf(amount, total), up);
      }),
    );
  });
});

describe("durations", () => {
  test("each unit is read", () => {
    assert.equal(parseDurationMs("500ms", "f"), 500);
    assert.equal(parseDurationMs("30s", "f"), 30_000);
    assert.equal(parseDurationMs("5m", "f"), 300_000);
    assert.equal(parseDurationMs("1.5h", "f"), 5_400_000);
    assert.equal(parseDurationMs("14d", "f"), 14 * 86_400_000);
    assert.equal(parseDurationMs("3650d", "f"), MAX_DURATION_MS);
  });

  for (const text of ["", "5", "5 s", "-5s", "5w", "3651d", "s"]) {
    test(`${JSON.stringify(text)} is refused by name of its field`, () => {
      assert.throws(() => parseDurationMs(text, "spec.soak"), {
        code: "invalid_argument",
        message: `${JSON.stringify(text)} is not a duration like 500ms, 30s, 5m, 2h or 14d`,
        detail: { field: "spec.soak" },
      });
    });
  }

  test("the shortest exact form reads back", () => {
    assert.equal(formatDuration(90_000), "90s");
    assert.equal(formatDuration(86_400_000), "1d");
    assert.equal(formatDuration(0), "0ms");
    fc.assert(
      fc.property(fc.integer({ min: 0, max: MAX_DURATION_MS }), (durationMs) => {
        assert.equal(parseDurationMs(formatDuration(durationMs), "f"), durationMs);
      }),
    );
  });
});
