// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  availabilityCell,
  completeWeek,
  createAvailabilityPage,
  decodeAvailabilityPage,
  HOURS_A_WEEK,
  setOnline,
  wasOnline,
} from "./availability-page.ts";

function hoursOnline(week: Uint8Array): number[] {
  return Array.from({ length: HOURS_A_WEEK }, (_, hour) => hour).filter((hour) =>
    wasOnline(week, 0, hour),
  );
}

describe("an availability page", () => {
  test("keeps a bit a device and hour of the week, through its stored form", () => {
    const page = createAvailabilityPage(3);
    setOnline(page.hours, 0, 167, true);
    setOnline(page.hours, 4_095, 168 * 100 + 5, true);
    const again = decodeAvailabilityPage(3, page.bytes);
    assert.equal(wasOnline(again.hours, 0, 167), true);
    assert.equal(wasOnline(again.hours, 4_095, 5), true, "a week later is the same hour");
    assert.equal(wasOnline(again.hours, 1, 167), false);
    setOnline(again.hours, 0, 167, false);
    assert.equal(wasOnline(page.hours, 0, 167), true, "what was read is a copy");
  });

  test("finds a device by its ordinal", () => {
    assert.deepEqual(availabilityCell(4_096 * 2 + 7), { page: 2, cell: 7 });
  });
});

describe("a device's week", () => {
  test("that nobody watched is as it is now", () => {
    assert.equal(hoursOnline(completeWeek(undefined, 0, true)).length, HOURS_A_WEEK);
    assert.equal(hoursOnline(completeWeek(undefined, 0, false)).length, 0);
    assert.equal(
      hoursOnline(completeWeek(createAvailabilityPage(0), 0, true)).length,
      HOURS_A_WEEK,
    );
  });

  test("that was watched in part is taken to be like most of that part", () => {
    const page = createAvailabilityPage(0);
    for (const hour of [0, 1, 2]) setOnline(page.watched, 0, hour, true);
    for (const hour of [0, 1]) setOnline(page.hours, 9, hour, true);
    setOnline(page.hours, 8, 0, true);
    const mostly = hoursOnline(completeWeek(page, 9, false));
    assert.equal(mostly.length, HOURS_A_WEEK - 1);
    assert(!mostly.includes(2), "it was away in an hour that was watched");
    assert.deepEqual(hoursOnline(completeWeek(page, 8, true)), [0]);
  });
});
