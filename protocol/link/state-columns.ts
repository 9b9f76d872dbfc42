// SPDX-License-Identifier: Apache-2.0
/**
 * What devices run, in packed columns, as it crosses the link: per row the device's ordinal (u32),
 * the generation under which it was installed (i32), its digest as an index of the batch's list
 * (u16), the slot (u8, index of SLOT_NAMES) and 1 = healthy (u8), little-endian, one column behind
 * the other.
 */
import { SLOT_NAMES } from "../../domain/running-page.ts";
import type { DeviceStateBatch } from "../gen/muster/v1/gateway_pb.ts";

const STATE_BYTES = 12;
/** Of a slot that this version does not know. */
const NO_SLOT = 0xff;

/** Index n of each column is row n. */
export interface StateColumns {
  readonly count: number;
  readonly ordinals: Uint32Array;
  readonly generations: Int32Array;
  readonly digestIndexes: Uint16Array;
  readonly slots: Uint8Array;
  readonly healthy: Uint8Array;
  /** All of them. */
  readonly bytes: Uint8Array;
}

/** Columns of zeros, to be filled in. */
export function createStateColumns(count: number): StateColumns {
  return overBytes(new Uint8Array(count * STATE_BYTES), count);
}

/** Reads packed columns; null when the length is not one of whole rows. */
export function readStateColumns(bytes: Uint8Array): StateColumns | null {
  if (bytes.length % STATE_BYTES !== 0) return null;
  return overBytes(bytes.slice(), bytes.length / STATE_BYTES); // a copy begins at a multiple of 4
}

/** The columns of an unpacked batch, and the digests that they index. */
export function packStates(batch: DeviceStateBatch): { columns: StateColumns; digests: string[] } {
  const columns = createStateColumns(batch.ordinals.length);
  const digests = new DigestList();
  batch.ordinals.forEach((ordinal, row) => {
    const slot = SLOT_NAMES.findIndex((name) => name === batch.slots[row]);
    columns.ordinals[row] = ordinal;
    columns.generations[row] = batch.generations[row] ?? 0;
    columns.digestIndexes[row] = digests.indexOf(batch.digests[row] ?? "");
    columns.slots[row] = slot === -1 ? NO_SLOT : slot;
    columns.healthy[row] = batch.healthy[row] === true ? 1 : 0;
  });
  return { columns, digests: digests.list };
}

/** The digests of a batch, each once. */
export class DigestList {
  readonly list: string[] = [];
  readonly #indexes = new Map<string, number>();

  indexOf(digest: string): number {
    let index = this.#indexes.get(digest);
    if (index === undefined) {
      index = this.list.push(digest) - 1;
      this.#indexes.set(digest, index);
    }
    return index;
  }
}

/** `bytes` begins at the start of its buffer. */
function overBytes(bytes: Uint8Array, count: number): StateColumns {
  const { buffer } = bytes;
  return {
    count,
    bytes,
    ordinals: new Uint32Array(buffer, 0, count),
    generations: new Int32Array(buffer, count * 4, count),
    digestIndexes: new Uint16Array(buffer, count * 8, count),
    slots: new Uint8Array(buffer, count * 10, count),
    healthy: new Uint8Array(buffer, count * 11, count),
  };
}
