// SPDX-License-Identifier: Apache-2.0
/**
 * One-dimensional arrays in PostgreSQL's binary form, which is how a whole batch crosses in a
 * parameter for `unnest`. The driver would write them as text: twice the bytes for pages (hex), and
 * each text escaped character by character.
 *
 * The form (array_recv in the server's arrayfuncs.c): int32 dimensions, int32 "has nulls", int32
 * type of the elements, then int32 length and int32 lower bound of the dimension; then each element
 * as int32 length (−1 = null) and its bytes.
 */

const BYTEA = 17;
const INT8 = 20;
const TEXT = 25;
const HEADER_BYTES = 20;

export function textArray(values: readonly (string | null)[]): Buffer {
  return encode(
    TEXT,
    values.map((value) => (value === null ? null : Buffer.from(value))),
  );
}

export function bytesArray(values: readonly (Uint8Array | null)[]): Buffer {
  return encode(BYTEA, values);
}

/** Safe integers only. */
export function int8Array(values: readonly number[]): Buffer {
  return encode(
    INT8,
    values.map((value) => {
      const bytes = Buffer.allocUnsafe(8);
      bytes.writeBigInt64BE(BigInt(value));
      return bytes;
    }),
  );
}

function encode(type: number, elements: readonly (Uint8Array | null)[]): Buffer {
  const contentBytes = elements.reduce((sum, element) => sum + 4 + (element?.byteLength ?? 0), 0);
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + contentBytes);
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(elements.includes(null) ? 1 : 0, 4);
  buffer.writeInt32BE(type, 8);
  buffer.writeInt32BE(elements.length, 12);
  buffer.writeInt32BE(1, 16);
  let at = HEADER_BYTES;
  for (const element of elements) {
    at = buffer.writeInt32BE(element?.byteLength ?? -1, at);
    if (element === null) continue;
    buffer.set(element, at);
    at += element.byteLength;
  }
  return buffer;
}
