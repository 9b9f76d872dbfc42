// SPDX-License-Identifier: Apache-2.0
/**
 * The plan's pages: ordinal, site and target by position. Layout of a page (little-endian): u32
 * magic, u32 count, u32 ordinal × count, u32 site × count, u16 target × count. Pages of before
 * sites were kept have another magic and no such column. Where a plan has windows, the magic is a
 * third one, and u16 time zone × count comes behind. The highest bit of a target says that the
 * device moves together with the one before it.
 */
import { assert } from "../../domain/assert.ts";
import { CELLS_PER_PAGE } from "../../domain/attempt-page.ts";
import { sharedBytes } from "../../domain/shared-bytes.ts";
import type { PageWrite } from "../../ports/store.ts";

const MAGIC = 0x4d50_5032; // "MPP2"
const MAGIC_WITH_ZONES = 0x4d50_5033; // "MPP3"
const MAGIC_WITHOUT_SITES = 0x4d50_5031; // "MPP1"
const HEADER_BYTES = 8;
const BYTES_PER_POSITION = 4 + 4 + 2;
const ZONE_BYTES = 2;

/** By position. */
export interface PlanColumns {
  readonly ordinals: Uint32Array;
  /** `siteKey` of each device's site. */
  readonly sites: Uint32Array;
  /** Index of the plan's targets, and whether it moves together with the one before. */
  readonly targets: Uint16Array;
  /** Index of the plan's time zones; null without windows. */
  readonly zones: Uint16Array | null;
}

export function createPlanColumns(deviceCount: number, hasZones: boolean): PlanColumns {
  return {
    ordinals: new Uint32Array(deviceCount),
    sites: new Uint32Array(deviceCount),
    targets: new Uint16Array(deviceCount),
    zones: hasZones ? new Uint16Array(deviceCount) : null,
  };
}

/** The highest bit of a target: the device moves together with the one before it. */
const TOGETHER = 0x8000;

/** `together`: 1 by position; empty = nobody does. */
export function markTogether(targets: Uint16Array, together: Uint8Array): Uint16Array {
  if (together.length === 0) return targets;
  return targets.map((target, position) => target + (together[position] ?? 0) * TOGETHER);
}

export function targetIn(value: number): number {
  return value & (TOGETHER - 1);
}

export function isTogetherIn(value: number): boolean {
  return (value & TOGETHER) !== 0;
}

/** By number of the page; nothing for pages that are not stored. */
export interface PlanVersions {
  readonly plan: number[];
  readonly slices: number[];
}

/** Pages from this one on are written, over these versions. */
export interface PagesAgain {
  readonly from: number;
  readonly versions: readonly number[];
}

export const NEW_PAGES: PagesAgain = { from: 0, versions: [] };

/** The columns of those who joined after those who were planned. */
export function joinColumns(planned: PlanColumns, more: PlanColumns): PlanColumns {
  const count = planned.ordinals.length;
  const columns = createPlanColumns(count + more.ordinals.length, planned.zones !== null);
  for (const [at, part] of [
    [0, planned],
    [count, more],
  ] as const) {
    columns.ordinals.set(part.ordinals, at);
    columns.sites.set(part.sites, at);
    columns.targets.set(part.targets, at);
    if (part.zones !== null) columns.zones?.set(part.zones, at);
  }
  return columns;
}

/** Pages of a new plan, or of one that somebody joined. */
export function encodePlanPages(
  rolloutNumber: number,
  columns: PlanColumns,
  { from, versions }: PagesAgain = NEW_PAGES,
): PageWrite[] {
  const { ordinals, sites, targets, zones } = columns;
  const hasZones = zones !== null;
  const writes: PageWrite[] = [];
  for (let start = from * CELLS_PER_PAGE; start < ordinals.length; start += CELLS_PER_PAGE) {
    const count = Math.min(CELLS_PER_PAGE, ordinals.length - start);
    const end = start + count;
    const bytes = sharedBytes(
      HEADER_BYTES + count * (BYTES_PER_POSITION + (hasZones ? ZONE_BYTES : 0)),
    );
    const header = new DataView(bytes.buffer);
    header.setUint32(0, hasZones ? MAGIC_WITH_ZONES : MAGIC, true);
    header.setUint32(4, count, true);
    const page = viewColumns(bytes.buffer, count, hasZones);
    page.ordinals.set(ordinals.subarray(start, end));
    page.sites.set(sites.subarray(start, end));
    page.targets.set(targets.subarray(start, end));
    if (hasZones) page.zones?.set(zones.subarray(start, end));
    writes.push({
      kind: "plan",
      owner: String(rolloutNumber),
      number: start / CELLS_PER_PAGE,
      expectedVersion: versions[start / CELLS_PER_PAGE] ?? 0,
      bytes,
    });
  }
  return writes;
}

function viewColumns(buffer: ArrayBufferLike, count: number, hasZones: boolean): PlanColumns {
  const zonesAt = HEADER_BYTES + count * BYTES_PER_POSITION;
  return {
    ordinals: new Uint32Array(buffer, HEADER_BYTES, count),
    sites: new Uint32Array(buffer, HEADER_BYTES + count * 4, count),
    targets: new Uint16Array(buffer, HEADER_BYTES + count * 8, count),
    zones: hasZones ? new Uint16Array(buffer, zonesAt, count) : null,
  };
}

/** Reads one page back into the columns of the whole plan. */
export function decodePlanPage(number: number, bytes: Uint8Array, into: PlanColumns): void {
  // Columns begin at a multiple of their width, as pages do that come from another thread.
  const { buffer } = bytes.byteOffset === 0 ? bytes : bytes.slice();
  const header = new DataView(buffer);
  const magic = header.getUint32(0, true);
  const count = header.getUint32(4, true);
  const start = number * CELLS_PER_PAGE;
  if (magic === MAGIC_WITHOUT_SITES) {
    into.ordinals.set(new Uint32Array(buffer, HEADER_BYTES, count), start);
    into.targets.set(new Uint16Array(buffer, HEADER_BYTES + count * 4, count), start);
    return;
  }
  const hasZones = into.zones !== null;
  const wanted = hasZones ? MAGIC_WITH_ZONES : MAGIC;
  assert(magic === wanted, "a plan page begins with its magic");
  const page = viewColumns(buffer, count, hasZones);
  into.ordinals.set(page.ordinals, start);
  into.sites.set(page.sites, start);
  into.targets.set(page.targets, start);
  if (page.zones !== null) into.zones?.set(page.zones, start);
}
