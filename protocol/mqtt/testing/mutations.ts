// SPDX-License-Identifier: Apache-2.0
/** Damages packets, the same way for the same seed. */

/** A number in [0, limit). */
export type Draw = (limit: number) => number;

/** Mulberry32: small, and good enough to pick bytes. */
export function seededDraw(seed: number): Draw {
  let state = seed >>> 0;
  return (limit) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** Values that break things more often than others do. */
const NASTY_BYTES: readonly number[] = [0x00, 0x01, 0x02, 0x7f, 0x80, 0x81, 0xff, 0x23, 0x2b, 0x2f];

/** Overwrites one or two bytes after the fixed header, and one time in four a flag of it. */
export function mutateBody(packet: Buffer, draw: Draw): Buffer {
  const bytes = Buffer.from(packet);
  for (let left = 1 + draw(2); left > 0 && bytes.length > 2; left--) {
    mutateByte(bytes, 2 + draw(bytes.length - 2), draw);
  }
  if (draw(4) === 0) bytes[0] = (bytes[0] as number) ^ (1 << draw(4));
  return bytes;
}

/** Overwrites, removes, inserts or repeats anything anywhere, a few times. */
export function mutateAnywhere(packet: Buffer, draw: Draw): Buffer {
  let bytes: Buffer = Buffer.from(packet);
  for (let left = 1 + draw(4); left > 0; left--) {
    const at = draw(bytes.length + 1);
    const stop = Math.min(bytes.length, at + draw(8));
    const kind = draw(6);
    const inserted = kind === 0 ? Buffer.of(draw(256)) : bytes.subarray(at, stop);
    if (kind <= 1) bytes = Buffer.concat([bytes.subarray(0, at), inserted, bytes.subarray(at)]);
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(stop)]);
    else if (at < bytes.length) mutateByte(bytes, at, draw);
  }
  return bytes;
}

function mutateByte(bytes: Buffer, at: number, draw: Draw): void {
  const kind = draw(3);
  const before = bytes[at] as number;
  if (kind === 0) bytes[at] = draw(256);
  else if (kind === 1) bytes[at] = before ^ (1 << draw(8));
  else bytes[at] = NASTY_BYTES[draw(NASTY_BYTES.length)] as number;
}
