// SPDX-License-Identifier: Apache-2.0
/**
 * By what a plan tells its devices apart, in pages beside the plan's own: site and slices by
 * position. Layout of a page (little-endian): u32 magic, u32 count, u32 facts, u32 site × count,
 * then u8 slice × count for each fact.
 */
import { assert } from "../../domain/assert.ts";
import { CELLS_PER_PAGE } from "../../domain/attempt-page.ts";
import { sharedBytes } from "../../domain/shared-bytes.ts";
import {
  growSlices,
  NO_SLICE,
  UNSLICED,
  type Slice,
  type SlicedPlan,
} from "../../domain/slices.ts";
import { NEW_PAGES, type PagesAgain } from "./plan-pages.ts";
import type { PageContent, PageId, StoredPage } from "../../ports/store.ts";

const MAGIC = 0x4d53_5031; // "MSP1"
const HEADER_BYTES = 12;

/** None when nothing is told apart. */
export function encodeSlicePages(
  rolloutNumber: number,
  plan: SlicedPlan,
  { from, versions }: PagesAgain = NEW_PAGES,
): PageContent[] {
  const writes: PageContent[] = [];
  for (let start = from * CELLS_PER_PAGE; start < plan.sites.length; start += CELLS_PER_PAGE) {
    const count = Math.min(CELLS_PER_PAGE, plan.sites.length - start);
    const bytes = sharedBytes(HEADER_BYTES + count * (4 + plan.columns.length));
    new Uint32Array(bytes.buffer, 0, 3).set([MAGIC, count, plan.columns.length]);
    const sites = new Uint32Array(bytes.buffer, HEADER_BYTES, count);
    sites.set(plan.sites.subarray(start, start + count));
    plan.columns.forEach((column, fact) => {
      const at = HEADER_BYTES + count * (4 + fact);
      bytes.set(column.subarray(start, start + count), at);
    });
    const number = start / CELLS_PER_PAGE;
    writes.push({
      ...slicePage(rolloutNumber, number),
      expectedVersion: versions[number] ?? 0,
      bytes,
    });
  }
  return writes;
}

/** `siteCount` 0 = nothing is told apart, and there are no pages. */
export function slicePageIds(
  rolloutNumber: number,
  plan: { readonly deviceCount: number; readonly siteCount: number },
  joinedCount = 0,
): PageId[] {
  if (plan.siteCount === 0) return [];
  const length = Math.ceil((plan.deviceCount + joinedCount) / CELLS_PER_PAGE);
  return Array.from({ length }, (_, number) => slicePage(rolloutNumber, number));
}

function slicePage(rolloutNumber: number, number: number): PageId {
  return { kind: "plan", owner: `${rolloutNumber}/slices`, number };
}

/** Reads the pages of `slicePageIds` back. */
export function decodeSlicePages(
  plan: {
    readonly deviceCount: number;
    readonly siteCount: number;
    readonly slices: readonly Slice[];
  },
  pages: readonly StoredPage[],
  joinedCount = 0,
): SlicedPlan {
  if (pages.length === 0) return UNSLICED;
  const sites = new Uint32Array(plan.deviceCount + joinedCount);
  const columns: Uint8Array[] = [];
  for (const page of pages) {
    // Columns begin at a multiple of their width, as pages do that come from another thread.
    const bytes = page.bytes.byteOffset === 0 ? page.bytes : page.bytes.slice();
    const [magic, count = 0, facts = 0] = new Uint32Array(bytes.buffer, 0, 3);
    assert(magic === MAGIC, "a page of slices begins with its magic");
    const start = page.number * CELLS_PER_PAGE;
    sites.set(new Uint32Array(bytes.buffer, HEADER_BYTES, count), start);
    for (let fact = 0; fact < facts; fact++) {
      const column = (columns[fact] ??= new Uint8Array(sites.length));
      const at = HEADER_BYTES + count * (4 + fact);
      column.set(bytes.subarray(at, at + count), start);
    }
  }
  return withJoined(plan, columns, sites);
}

/** What a plan says of its slices counts those who were planned. */
function withJoined(
  plan: {
    readonly deviceCount: number;
    readonly siteCount: number;
    readonly slices: readonly Slice[];
  },
  columns: readonly Uint8Array[],
  sites: Uint32Array,
): SlicedPlan {
  const more = plan.slices.map(() => 0);
  for (const column of columns) {
    for (const slice of column.subarray(plan.deviceCount)) {
      if (slice !== NO_SLICE) more[slice] = (more[slice] ?? 0) + 1;
    }
  }
  const slices = growSlices(plan.slices, more);
  const siteCount = sites
    .subarray(plan.deviceCount)
    .reduce((most, site) => Math.max(most, site + 1), plan.siteCount);
  return { slices, columns, sites, siteCount };
}

/** Tells the pages of slices from those of the plan beside them. */
export function isSliceOwner(owner: string): boolean {
  return owner.endsWith("/slices");
}
