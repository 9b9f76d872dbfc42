// SPDX-License-Identifier: Apache-2.0
/**
 * Notes who was online in which hour of the week, for rehearsals. Looks every five minutes, keeps
 * one bit a device until the hour is over, and then writes that hour into the Store's pages: a
 * million devices are 245 pages an hour. What a crash loses is one hour, which stays unwatched.
 *
 * A device whose gateway is cut off is taken to be there: nobody knows better.
 */
import { toMusterError } from "../../domain/errors.ts";
import {
  availabilityCell,
  createAvailabilityPage,
  decodeAvailabilityPage,
  HOUR_MS,
  setOnline,
} from "../../domain/availability-page.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { PageId, Store } from "../../ports/store.ts";
import type { FleetTable } from "../state/fleet-table.ts";

const LOOK_MS = 300_000;
export const AVAILABILITY_OWNER = "fleet";
/** Pages read and written at once: 5.5 MB. */
const PAGES_A_COMMIT = 64;

export interface AvailabilityRecorderOptions {
  readonly store: Store;
  readonly fleet: FleetTable;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** Runs until the signal aborts; resolves then. */
export async function runAvailabilityRecorder(options: AvailabilityRecorderOptions): Promise<void> {
  const { clock, logger, signal } = options;
  let seen = new Seen(hourOf(clock));
  while (!signal.aborted) {
    const hour = hourOf(clock);
    if (hour !== seen.hour) {
      await storeHour(options, seen).catch((cause: unknown) => {
        if (signal.aborted) return;
        const error = toMusterError(cause, "noting who was online");
        logger.error("who was online in the last hour could not be noted", { error });
      });
      seen = new Seen(hour);
    }
    options.fleet.forEachConnected((ordinal) => seen.add(ordinal));
    await delay(clock, LOOK_MS, signal).catch(() => undefined); // ended: the loop ends
  }
}

function hourOf(clock: Clock): number {
  return Math.floor(clock.wallMs() / HOUR_MS);
}

/** Who was seen in one hour: a bit an ordinal. */
class Seen {
  readonly hour: number;
  private bits: Uint8Array = new Uint8Array(1_024);
  highest = 0;

  constructor(hour: number) {
    this.hour = hour;
  }

  add(ordinal: number): void {
    const at = ordinal >> 3;
    if (at >= this.bits.length) {
      const { bits } = this;
      this.bits = new Uint8Array(Math.max(at + 1, bits.length * 2));
      this.bits.set(bits);
    }
    this.bits[at] = (this.bits[at] ?? 0) | (1 << (ordinal & 7));
    this.highest = Math.max(this.highest, ordinal);
  }

  has(ordinal: number): boolean {
    return ((this.bits[ordinal >> 3] ?? 0) & (1 << (ordinal & 7))) !== 0;
  }
}

async function storeHour(options: AvailabilityRecorderOptions, seen: Seen): Promise<void> {
  // Pages of devices that are all away lie beyond the highest seen: those that exist go on.
  for (let first = 0; ; first += PAGES_A_COMMIT) {
    const isBeyond = first > availabilityCell(seen.highest).page;
    const storedCount = await storePages(options, seen, first);
    if (isBeyond && storedCount === 0) return;
  }
}

async function storePages(
  { store, signal }: AvailabilityRecorderOptions,
  seen: Seen,
  first: number,
): Promise<number> {
  const ids: PageId[] = Array.from({ length: PAGES_A_COMMIT }, (_, index) => {
    return { kind: "availability", owner: AVAILABILITY_OWNER, number: first + index };
  });
  const stored = new Map(
    (await store.loadPages(ids, { signal })).map((page) => [page.number, page]),
  );
  const lastSeenPage = availabilityCell(seen.highest).page;
  const wanted = ids.filter(({ number }) => stored.has(number) || number <= lastSeenPage);
  if (wanted.length === 0) return 0;
  const pages = wanted.map((id) => {
    const old = stored.get(id.number);
    const page =
      old === undefined
        ? createAvailabilityPage(id.number)
        : decodeAvailabilityPage(id.number, old.bytes);
    setOnline(page.watched, 0, seen.hour, true);
    for (let cell = 0; cell < page.cellCount; cell++) {
      setOnline(page.hours, cell, seen.hour, seen.has(id.number * page.cellCount + cell));
    }
    return { ...id, expectedVersion: old?.version ?? 0, bytes: page.bytes };
  });
  // A conflict: another center has noted the hour.
  await store.commit({ pages }, { signal });
  return stored.size;
}
