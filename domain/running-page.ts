// SPDX-License-Identifier: Apache-2.0
/**
 * What 4,096 devices run, by ordinal, in packed columns: per slot the release (an index into the
 * installation's dictionary of digests), the generation under which it was installed and its
 * health; and each device's generation counter, from which every attempt draws.
 *
 * Layout (little-endian): u32 magic, u32 cell count, then the columns: counters, then per slot
 * generation, release, flags.
 */
import { assert } from "./assert.ts";
import { sharedBytes, sharedCopy } from "./shared-bytes.ts";

export const DEVICES_PER_PAGE = 4_096;
/** os, app, config, command: in this order for ever. */
export const SLOT_NAMES = ["os", "app", "config", "command"] as const;
export type SlotName = (typeof SLOT_NAMES)[number];

const MAGIC = 0x4d52_5031; // "MRP1"
const HEADER_BYTES = 8;
const SLOT_BYTES = 4 + 2 + 1;
const PAGE_BYTES: number = HEADER_BYTES + DEVICES_PER_PAGE * (4 + SLOT_NAMES.length * SLOT_BYTES);

export const RUNNING_FLAGS = {
  /** The device has said what this slot runs. */
  known: 1,
  healthy: 2,
} as const;

/** Columns of one slot; index = ordinal % DEVICES_PER_PAGE. */
export interface SlotColumns {
  /** 0 = factory. */
  readonly generation: Int32Array;
  /** Dictionary index; 0 = nothing installed. */
  readonly release: Uint16Array;
  readonly flags: Uint8Array;
}

export interface RunningPage {
  readonly number: number;
  /** The newest generation drawn for the device; 0 = none yet. */
  readonly lastGeneration: Int32Array;
  /** In the order of SLOT_NAMES. */
  readonly slots: readonly SlotColumns[];
}

export function createRunningPage(number: number): RunningPage {
  const bytes = sharedBytes(PAGE_BYTES);
  const header = new DataView(bytes.buffer);
  header.setUint32(0, MAGIC, true);
  header.setUint32(4, DEVICES_PER_PAGE, true);
  return viewPage(number, bytes);
}

export function decodeRunningPage(number: number, bytes: Uint8Array): RunningPage {
  return viewPage(number, sharedCopy(bytes));
}

/** The stored form, which is the page's own memory: it changes as the page does. */
export function runningPageBytes(page: RunningPage): Uint8Array {
  return new Uint8Array(page.lastGeneration.buffer);
}

/** The stored form: a copy. */
export function encodeRunningPage(page: RunningPage): Uint8Array {
  return sharedCopy(runningPageBytes(page));
}

function viewPage(number: number, bytes: Uint8Array): RunningPage {
  assert(bytes.byteLength === PAGE_BYTES, "a running page has its one length");
  const view = new DataView(bytes.buffer);
  assert(view.getUint32(0, true) === MAGIC, "a running page begins with its magic");
  let offset = HEADER_BYTES;
  const take = (bytesPerCell: number): number => {
    const start = offset;
    offset += bytesPerCell * DEVICES_PER_PAGE;
    return start;
  };
  const lastGeneration = new Int32Array(bytes.buffer, take(4), DEVICES_PER_PAGE);
  // Wide columns first, so that every column starts at a multiple of its width.
  const generations = SLOT_NAMES.map(() => take(4));
  const releases = SLOT_NAMES.map(() => take(2));
  const slots = SLOT_NAMES.map((_, slot) => ({
    generation: new Int32Array(bytes.buffer, generations[slot], DEVICES_PER_PAGE),
    release: new Uint16Array(bytes.buffer, releases[slot], DEVICES_PER_PAGE),
    flags: new Uint8Array(bytes.buffer, take(1), DEVICES_PER_PAGE),
  }));
  return { number, lastGeneration, slots };
}
