// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { forecastDisk, keepSamples, type DiskSample } from "./disk-forecast.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const MIB = 2 ** 20;

/** A sample an hour; `bytes` by its number. */
function hourly(count: number, bytes: (hour: number) => number): DiskSample[] {
  let samples: DiskSample[] = [];
  for (let hour = 0; hour < count; hour++) {
    const next = { atMs: DAY_MS + hour * HOUR_MS, bytes: { "page attempt": bytes(hour), rest: 5 } };
    samples = keepSamples(samples, next);
  }
  return samples;
}

describe("a disk's forecast", () => {
  test("is a straight line through a week: free space over growth a day", () => {
    const samples = hourly(10 * 24 + 1, (hour) => hour * MIB);
    const nowMs = DAY_MS + 10 * DAY_MS;
    const forecast = forecastDisk(samples, { atMs: nowMs, availableBytes: 48 * MIB });
    assert.equal(forecast?.windowMs, 7 * DAY_MS);
    assert.equal(forecast?.bytesPerDay, 24 * MIB);
    assert.equal(forecast?.fullAtMs, nowMs + 2 * DAY_MS);
    assert.equal(forecast?.usedBytes, 240 * MIB + 5);
    assert.deepEqual(forecast?.parts, [
      { part: "page attempt", bytes: 240 * MIB, bytesPerDay: 24 * MIB },
      { part: "rest", bytes: 5, bytesPerDay: 0 },
    ]);
  });

  test("is not known before an hour has been seen, and no date where nothing grows", () => {
    const one = hourly(1, () => MIB);
    const now = { atMs: DAY_MS, availableBytes: MIB };
    assert.equal(forecastDisk([], now), null);
    const early = forecastDisk(one, now);
    assert.deepEqual([early?.windowMs, early?.bytesPerDay, early?.fullAtMs], [0, null, null]);
    const shrinks = forecastDisk(
      hourly(30, (hour) => (30 - hour) * MIB),
      now,
    );
    assert.equal(shrinks?.bytesPerDay, -24 * MIB);
    assert.equal(shrinks?.fullAtMs, null);
    const slow = forecastDisk(
      hourly(30, (hour) => hour),
      { ...now, availableBytes: 2 ** 40 },
    );
    assert.equal(slow?.fullAtMs, null, "a disk that lasts for ten years is not going to be full");
  });

  test("says now when nothing may be written any more", () => {
    const forecast = forecastDisk(
      hourly(30, () => MIB),
      { atMs: 7, availableBytes: 0 },
    );
    assert.equal(forecast?.fullAtMs, 7);
  });

  test("counts what is gone from the last sample", () => {
    const samples = [
      { atMs: 0, bytes: { old: 10, kept: 1 } },
      { atMs: DAY_MS, bytes: { kept: 1 } },
    ];
    const forecast = forecastDisk(samples, { atMs: DAY_MS, availableBytes: 1 });
    assert.deepEqual(forecast?.parts, [
      { part: "kept", bytes: 1, bytesPerDay: 0 },
      { part: "old", bytes: 0, bytesPerDay: -10 },
    ]);
  });
});

describe("samples", () => {
  test("are few after a year: two days of all, two months of one a day", () => {
    const samples = hourly(365 * 24, (hour) => hour);
    assert(samples.length <= 49 + 60, `${samples.length} samples`);
    const spanMs = (samples.at(-1)?.atMs ?? 0) - (samples[0]?.atMs ?? 0);
    assert(spanMs >= 59 * DAY_MS && spanMs <= 60 * DAY_MS);
  });

  test("of a clock that was set back are forgotten", () => {
    const samples = hourly(5, (hour) => hour);
    const next = { atMs: DAY_MS + HOUR_MS, bytes: { rest: 1 } };
    assert.deepEqual(keepSamples(samples, next), [samples[0], next]);
  });
});
