// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { formatInstant, MINUTE_MS, parseInstant } from "./civil-time.ts";
import { DAYS, isOpenAt, isTimeZone, nextChangeAfter, type Day, type Window } from "./window.ts";

const BERLIN = "Europe/Berlin";

function window(days: readonly Day[], from: string, to: string): Window {
  const minuteOf = (text: string): number => {
    const [hour, minute] = text.split(":").map(Number);
    return (hour ?? 0) * 60 + (minute ?? 0);
  };
  return { days, fromMinute: minuteOf(from), toMinute: minuteOf(to) };
}

const NIGHTS = [window(["mon", "tue", "wed", "thu", "fri"], "22:00", "05:00")];

/** Every change within a day and a half, minute by minute. */
function changes(windows: readonly Window[], zone: string, from: string, hours: number): string[] {
  const startMs = parseInstant(from, "from");
  const found: string[] = [];
  let before = isOpenAt(windows, zone, startMs);
  for (let atMs = startMs; atMs < startMs + hours * 60 * MINUTE_MS; atMs += MINUTE_MS) {
    const isOpen = isOpenAt(windows, zone, atMs);
    if (isOpen !== before) found.push(`${formatInstant(atMs)} ${isOpen ? "opens" : "closes"}`);
    before = isOpen;
  }
  return found;
}

describe("a window in its time zone", () => {
  test("over midnight belongs to the day on which it opens", () => {
    // 2026-11-27 is a Friday; Berlin is an hour ahead of UTC.
    assert.deepEqual(changes(NIGHTS, BERLIN, "2026-11-26T12:00Z", 96), [
      "2026-11-26 21:00Z opens",
      "2026-11-27 04:00Z closes",
      "2026-11-27 21:00Z opens",
      "2026-11-28 04:00Z closes",
      // Saturday and Sunday have none; Monday's begins on the 30th in the evening.
    ]);
  });

  test("is an hour shorter when the clock is set forward within it", () => {
    const nightly = [window(DAYS, "22:00", "05:00")];
    assert.deepEqual(changes(nightly, BERLIN, "2026-03-28T12:00Z", 30), [
      "2026-03-28 21:00Z opens",
      "2026-03-29 03:00Z closes",
    ]);
  });

  test("is an hour longer when the clock is set back within it", () => {
    const nightly = [window(DAYS, "22:00", "05:00")];
    assert.deepEqual(changes(nightly, BERLIN, "2026-10-24T12:00Z", 30), [
      "2026-10-24 20:00Z opens",
      "2026-10-25 04:00Z closes",
    ]);
  });

  test("in the hour that does not exist is not there that day", () => {
    const skipped = [window(DAYS, "02:15", "02:45")];
    assert.deepEqual(changes(skipped, BERLIN, "2026-03-28T12:00Z", 40), [
      "2026-03-30 00:15Z opens",
      "2026-03-30 00:45Z closes",
    ]);
  });

  test("that reaches into the hour that is skipped opens, or ends, where the clock leaps", () => {
    assert.deepEqual(changes([window(DAYS, "02:30", "04:00")], BERLIN, "2026-03-28T12:00Z", 24), [
      "2026-03-29 01:00Z opens",
      "2026-03-29 02:00Z closes",
    ]);
    assert.deepEqual(changes([window(DAYS, "01:00", "02:30")], BERLIN, "2026-03-28T12:00Z", 24), [
      "2026-03-29 00:00Z opens",
      "2026-03-29 01:00Z closes",
    ]);
  });

  test("in the hour that is there twice is open twice", () => {
    assert.deepEqual(changes([window(DAYS, "02:15", "02:45")], BERLIN, "2026-10-24T12:00Z", 24), [
      "2026-10-25 00:15Z opens",
      "2026-10-25 00:45Z closes",
      "2026-10-25 01:15Z opens",
      "2026-10-25 01:45Z closes",
    ]);
  });

  test("none at all means at any time", () => {
    assert.equal(isOpenAt([], BERLIN, 0), true);
    assert.equal(nextChangeAfter([], BERLIN, 0), null);
  });

  test("zones are those that the engine knows", () => {
    for (const name of ["UTC", BERLIN, "America/Argentina/Ushuaia", "Etc/GMT+5"]) {
      assert.equal(isTimeZone(name), true, name);
    }
    for (const name of ["", "Mars/Olympus", "+01:00", "Europe/Berlin ", "device", "../etc"]) {
      assert.equal(isTimeZone(name), false, name);
    }
  });
});

const ZONES = [
  "UTC",
  BERLIN,
  "America/New_York",
  "America/St_Johns", // half hours, and daylight saving
  "Australia/Lord_Howe", // daylight saving by half an hour
  "Asia/Kathmandu", // 05:45
  "Pacific/Apia", // a day that was not: 2011-12-30
  "Africa/Casablanca", // daylight saving but in Ramadan
];
const zone = fc.constantFrom(...ZONES);
const minute = fc.integer({ min: 0, max: 1_439 });
const anyWindow: fc.Arbitrary<Window> = fc.record({
  days: fc.subarray([...DAYS], { minLength: 1 }),
  fromMinute: minute,
  toMinute: minute.map((value) => value + 1),
});
const windows = fc.array(anyWindow, { minLength: 1, maxLength: 3 });
/** 2011 to 2027, and often near a day on which some clock is set. */
const instant = fc.oneof(
  fc.integer({ min: 1_293_840_000, max: 1_800_000_000 }),
  fc
    .tuple(
      fc.constantFrom("2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01", "2011-12-30"),
      fc.integer({ min: -86_400, max: 86_400 }),
    )
    .map(([day, seconds]) => parseInstant(`${day}T00:00Z`, "day") / 1_000 + seconds),
);

describe("any windows, in any zone, at any time", () => {
  test("are open exactly when a calendar shows a time within them", () => {
    const calendar = (timeZone: string): Intl.DateTimeFormat =>
      new Intl.DateTimeFormat("en-US", {
        timeZone,
        weekday: "short",
        hour: "numeric",
        minute: "numeric",
        hourCycle: "h23",
      });
    fc.assert(
      fc.property(windows, zone, instant, (given, timeZone, seconds) => {
        const atMs = seconds * 1_000;
        const parts = calendar(timeZone).formatToParts(atMs);
        const part = (type: string): string =>
          parts.find((found) => found.type === type)?.value ?? "";
        const today = DAYS.findIndex((day) => day === part("weekday").toLowerCase());
        const now = Number(part("hour")) * 60 + Number(part("minute"));
        // Brute force: every minute of every window of the week, as (day, minute) on the wall.
        const wanted = given.some(({ days, fromMinute, toMinute }) => {
          const last = toMinute > fromMinute ? toMinute : toMinute + 1_440;
          return days.some((day) => {
            const sinceOpeningDay = ((today - DAYS.indexOf(day) + 7) % 7) * 1_440 + now;
            return sinceOpeningDay >= fromMinute && sinceOpeningDay < last;
          });
        });
        assert.equal(isOpenAt(given, timeZone, atMs), wanted);
      }),
      { numRuns: 2_000 },
    );
  });

  test("change next when a scan by the minute finds it", () => {
    fc.assert(
      fc.property(windows, zone, instant, (given, timeZone, seconds) => {
        const atMs = seconds * 1_000;
        const changeMs = nextChangeAfter(given, timeZone, atMs);
        const before = isOpenAt(given, timeZone, atMs);
        const lastMs = Math.min(changeMs ?? Infinity, atMs + 2 * 86_400_000);
        const firstMs = Math.floor(atMs / MINUTE_MS + 1) * MINUTE_MS;
        for (let at = firstMs; at < lastMs; at += MINUTE_MS) {
          assert.equal(isOpenAt(given, timeZone, at), before, formatInstant(at));
        }
        if (changeMs !== null) assert.notEqual(isOpenAt(given, timeZone, changeMs), before);
      }),
      { numRuns: 60 },
    );
  });
});
