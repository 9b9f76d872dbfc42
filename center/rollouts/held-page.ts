// SPDX-License-Identifier: Apache-2.0
/** A page of attempts in memory, with what is known of it beside what it says. */
import type { AttemptCounts } from "../../domain/attempt-counts.ts";
import {
  attemptPageBytes,
  CELLS_PER_PAGE,
  createAttemptPage,
  decodeAttemptPage,
  growAttemptPage,
  type AttemptPage,
} from "../../domain/attempt-page.ts";
import type { PageWrite } from "../../ports/store.ts";

export interface HeldPage {
  page: AttemptPage;
  version: number;
  dirty: boolean;
  /** By wave; null when the page changed since it was counted. */
  counts: AttemptCounts[] | null;
  /** Of all waves; null like `counts`. */
  total: AttemptCounts | null;
  /** The rollout's clock at the last sweep, in ticks. */
  sweptAtTicks: number;
}

/** All pages of a plan: as stored, or new where nothing has happened yet. */
export function holdPages(
  deviceCount: number,
  stored: readonly { number: number; version: number; bytes: Uint8Array }[],
  nowTicks: number,
): HeldPage[] {
  const pages: HeldPage[] = [];
  for (let start = 0; start < deviceCount; start += CELLS_PER_PAGE) {
    const number = start / CELLS_PER_PAGE;
    const found = stored.find((page) => page.number === number);
    const cells = Math.min(CELLS_PER_PAGE, deviceCount - start);
    pages.push({
      page:
        found === undefined
          ? createAttemptPage(number, cells)
          : growAttemptPage(decodeAttemptPage(number, found.bytes), cells),
      version: found?.version ?? 0,
      dirty: false,
      counts: null,
      total: null,
      sweptAtTicks: nowTicks,
    });
  }
  return pages;
}

/** Devices joined: the last page grows, others follow; new cells are pending. */
export function growPages(pages: HeldPage[], deviceCount: number, nowTicks: number): void {
  const last = pages.at(-1);
  if (last !== undefined) {
    const cells = Math.min(CELLS_PER_PAGE, deviceCount - last.page.number * CELLS_PER_PAGE);
    last.page = growAttemptPage(last.page, cells);
    last.counts = null;
    last.total = null;
  }
  pages.push(...holdPages(deviceCount, [], nowTicks).slice(pages.length));
}

/** Of pages that changed since they were stored; they must stay as they are until it is done. */
export function dirtyWrites(pages: readonly HeldPage[], rolloutNumber: number): PageWrite[] {
  return pages
    .filter((held) => held.dirty)
    .map((held) => ({
      kind: "attempt" as const,
      owner: String(rolloutNumber),
      number: held.page.number,
      expectedVersion: held.version,
      bytes: attemptPageBytes(held.page),
    }));
}
