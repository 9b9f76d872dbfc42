// SPDX-License-Identifier: Apache-2.0
/**
 * 4,096 attempts in packed columns. A cell is (rollout number, position in the plan) and holds the
 * device's newest generation in that rollout. One page is one row of the Store, swapped by
 * compare-and-set: merging a batch of reports touches a few pages instead of thousands of rows.
 *
 * Layout (little-endian): u32 magic, u32 cell count, then the columns in the order of
 * `ATTEMPT_COLUMNS`.
 */
import { assert } from "./assert.ts";
import { sharedBytes, sharedCopy } from "./shared-bytes.ts";

export const CELLS_PER_PAGE = 4_096;
const MAGIC = 0x4d41_5031; // "MAP1"
const HEADER_BYTES = 8;
const BYTES_PER_CELL = 4 + 4 + 4 + 4 + 2 + 2 + 1 + 1 + 1 + 1;

/** No release known: what the device ran before was never reported. */
export const UNKNOWN_RELEASE = 0xffff;

/** Index n of each column is cell n; its position is `number * CELLS_PER_PAGE + n`. */
export interface AttemptPage {
  readonly number: number;
  readonly cellCount: number;
  /** 0 until first leased, then the generation that the device answers under. */
  readonly generation: Int32Array;
  /** When the state was entered, on the rollout's clock in PAGE_TICK_MS (u32 reaches 497 days). */
  readonly enteredAt: Uint32Array;
  /** Since when evidence (of a lost one: that it is back) holds, same clock, plus 1; 0 = none. */
  readonly soakingSince: Uint32Array;
  /** Accepted at, same clock and unit, plus 1; 0 = not accepted. */
  readonly acceptedAt: Uint32Array;
  /**
   * Dictionary index of the release it ran when it was offered, or later, as long as it had not
   * installed (`own-previous.ts`); UNKNOWN_RELEASE = unknown.
   */
  readonly previous: Uint16Array;
  /** Highest report sequence that took effect in this generation. */
  readonly sequence: Uint16Array;
  readonly state: Uint8Array;
  readonly flags: Uint8Array;
  readonly reason: Uint8Array;
  /** Generations drawn so far. */
  readonly tries: Uint8Array;
}

/** Milliseconds of one unit of the page's clock columns. */
export const PAGE_TICK_MS = 10;

/** All cells pending. */
export function createAttemptPage(number: number, cellCount: number): AttemptPage {
  const bytes = sharedBytes(HEADER_BYTES + cellCount * BYTES_PER_CELL);
  const header = new DataView(bytes.buffer);
  header.setUint32(0, MAGIC, true);
  header.setUint32(4, cellCount, true);
  const page = viewPage(number, bytes);
  page.previous.fill(UNKNOWN_RELEASE);
  return page;
}

/** A copy with more cells; the new ones are pending. */
export function growAttemptPage(page: AttemptPage, cellCount: number): AttemptPage {
  assert(cellCount >= page.cellCount, "a page of attempts never shrinks");
  const grown = createAttemptPage(page.number, cellCount);
  for (const name of ATTEMPT_COLUMNS) grown[name].set(page[name]);
  return grown;
}

/** What a page says of each cell. */
export const ATTEMPT_COLUMNS = [
  "generation",
  "enteredAt",
  "soakingSince",
  "acceptedAt",
  "previous",
  "sequence",
  "state",
  "flags",
  "reason",
  "tries",
] as const;

/** Reads stored bytes; asserts the layout (the Store has checked the bytes). */
export function decodeAttemptPage(number: number, bytes: Uint8Array): AttemptPage {
  return viewPage(number, sharedCopy(bytes));
}

/** The stored form, which is the page's own memory: it changes as the page does. */
export function attemptPageBytes(page: AttemptPage): Uint8Array {
  return new Uint8Array(page.state.buffer);
}

/** The stored form: a copy, so the page may go on changing. */
export function encodeAttemptPage(page: AttemptPage): Uint8Array {
  return sharedCopy(attemptPageBytes(page));
}

/** A copy that may be changed while the original stays as it was. */
export function copyAttemptPage(page: AttemptPage): AttemptPage {
  return viewPage(page.number, encodeAttemptPage(page));
}

function viewPage(number: number, bytes: Uint8Array): AttemptPage {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  assert(view.getUint32(0, true) === MAGIC, "an attempt page begins with its magic");
  const cellCount = view.getUint32(4, true);
  assert(cellCount <= CELLS_PER_PAGE, "an attempt page holds at most 4,096 cells");
  assert(
    bytes.byteLength === HEADER_BYTES + cellCount * BYTES_PER_CELL && bytes.byteOffset === 0,
    "an attempt page has the length its cell count says",
  );
  let offset = HEADER_BYTES;
  const take = (bytesPerCell: number): number => {
    const start = offset;
    offset += bytesPerCell * cellCount;
    return start;
  };
  const buffer = bytes.buffer;
  return {
    number,
    cellCount,
    generation: new Int32Array(buffer, take(4), cellCount),
    enteredAt: new Uint32Array(buffer, take(4), cellCount),
    soakingSince: new Uint32Array(buffer, take(4), cellCount),
    acceptedAt: new Uint32Array(buffer, take(4), cellCount),
    previous: new Uint16Array(buffer, take(2), cellCount),
    sequence: new Uint16Array(buffer, take(2), cellCount),
    state: new Uint8Array(buffer, take(1), cellCount),
    flags: new Uint8Array(buffer, take(1), cellCount),
    reason: new Uint8Array(buffer, take(1), cellCount),
    tries: new Uint8Array(buffer, take(1), cellCount),
  };
}
