// SPDX-License-Identifier: Apache-2.0
/**
 * The plan's pages: ordinal and target by position. Layout of a page (little-endian): u32 magic,
 * u32 count, u32 ordinal × count, u16 target × count.
 */
import { assert } from "../../domain/assert.ts";
import { CELLS_PER_PAGE } from "../../domain/attempt-page.ts";
import type { PageWrite } from "../../ports/store.ts";

const MAGIC = 0x4d50_5031; // "MPP1"
const HEADER_BYTES = 8;

/** Pages of a new plan. `targets[position]` indexes the plan's targets. */
export function encodePlanPages(
  rolloutNumber: number,
  ordinals: Uint32Array,
  targets: Uint16Array,
): PageWrite[] {
  const writes: PageWrite[] = [];
  for (let start = 0; start < ordinals.length; start += CELLS_PER_PAGE) {
    const count = Math.min(CELLS_PER_PAGE, ordinals.length - start);
    const bytes = new Uint8Array(HEADER_BYTES + count * 6);
    const header = new DataView(bytes.buffer);
    header.setUint32(0, MAGIC, true);
    header.setUint32(4, count, true);
    new Uint32Array(bytes.buffer, HEADER_BYTES, count).set(ordinals.subarray(start, start + count));
    new Uint16Array(bytes.buffer, HEADER_BYTES + count * 4, count).set(
      targets.subarray(start, start + count),
    );
    writes.push({
      kind: "plan",
      owner: String(rolloutNumber),
      number: start / CELLS_PER_PAGE,
      expectedVersion: 0,
      bytes,
    });
  }
  return writes;
}

/** Reads one page back into the columns of the whole plan. */
export function decodePlanPage(
  number: number,
  bytes: Uint8Array,
  into: { ordinals: Uint32Array; targets: Uint16Array },
): void {
  const copy = bytes.slice();
  const header = new DataView(copy.buffer);
  assert(header.getUint32(0, true) === MAGIC, "a plan page begins with its magic");
  const count = header.getUint32(4, true);
  const start = number * CELLS_PER_PAGE;
  into.ordinals.set(new Uint32Array(copy.buffer, HEADER_BYTES, count), start);
  into.targets.set(new Uint16Array(copy.buffer, HEADER_BYTES + count * 4, count), start);
}
