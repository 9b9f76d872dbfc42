// SPDX-License-Identifier: Apache-2.0
/** Who was online in which hour, as it is stored while hours pass. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { AVAILABILITY_OWNER } from "../../../center/tasks/availability-recorder.ts";
import { runAvailabilityRecorder } from "../../../center/tasks/availability-recorder.ts";
import { FleetTable } from "../../../center/state/fleet-table.ts";
import { decodeAvailabilityPage, HOUR_MS, wasOnline } from "../../../domain/availability-page.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";

const LOOK_MS = 300_000;
/** More promises than one look of the recorder has to settle: the store answers at once. */
const TURNS = 200;

describe("the availability recorder", () => {
  test("stores an hour when it is over, for everybody who was seen in it", async () => {
    const clock = new VirtualClock();
    const store = openDirectSqliteStore({ path: ":memory:", clock });
    const fleet = new FleetTable({
      clock,
      isGatewayOnline: () => true,
      gapMs: 1,
      settleMs: 1,
      firstFence: 1,
    });
    const stop = new AbortController();
    const { signal } = stop;
    const firstHour = clock.wallMs() / HOUR_MS;
    const far = 4_096 * 70 + 1; // beyond the first pages that are read at once
    fleet.open(far, 1);
    const { fence } = fleet.open(5, 1);
    const ended = runAvailabilityRecorder({ store, fleet, clock, logger: SILENT_LOGGER, signal });
    const pass = async (durationMs: number): Promise<void> => {
      for (let passedMs = 0; passedMs < durationMs; passedMs += LOOK_MS) {
        clock.advance(LOOK_MS);
        for (let count = 0; count < TURNS; count++) await Promise.resolve();
      }
    };
    await pass(HOUR_MS / 2);
    fleet.close(5, fence, clock.wallMs());
    await pass(HOUR_MS * 1.5);
    const ids = [0, 70].map((number) => {
      return { kind: "availability" as const, owner: AVAILABILITY_OWNER, number };
    });
    const [near, distant] = await store.loadPages(ids, { signal });
    assert(near !== undefined && distant !== undefined);
    const page = decodeAvailabilityPage(0, near.bytes);
    const distantPage = decodeAvailabilityPage(70, distant.bytes);
    const seen = [0, 1, 2].map((hour) => [
      wasOnline(page.watched, 0, firstHour + hour),
      wasOnline(page.hours, 5, firstHour + hour),
      wasOnline(distantPage.hours, 1, firstHour + hour),
    ]);
    assert.deepEqual(seen, [
      [true, true, true],
      [true, false, true],
      [false, false, false],
    ]);
    stop.abort();
    await ended;
    await store.close();
  });
});
