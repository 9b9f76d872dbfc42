// SPDX-License-Identifier: Apache-2.0
/**
 * A deterministic hash for placing devices in waves: the same (seed, device id) is always in the
 * same percentile. Not cryptographic; a device cannot choose its wave because the seed is drawn at
 * plan time. Two 32-bit murmur-style lanes, 53 bits together (cyrb53, public domain).
 */

/** A number in [0, 2^53), evenly spread. */
export function hash53(seed: string, text: string): number {
  let left = 0xdead_beef;
  let right = 0x41c6_ce57;
  const input = `${seed}\u0000${text}`;
  for (let index = 0; index < input.length; index++) {
    const unit = input.charCodeAt(index);
    left = Math.imul(left ^ unit, 2_654_435_761);
    right = Math.imul(right ^ unit, 1_597_334_677);
  }
  left = Math.imul(left ^ (left >>> 16), 2_246_822_507);
  left ^= Math.imul(right ^ (right >>> 13), 3_266_489_909);
  right = Math.imul(right ^ (right >>> 16), 2_246_822_507);
  right ^= Math.imul(left ^ (left >>> 13), 3_266_489_909);
  return 4_294_967_296 * (2_097_151 & right) + (left >>> 0);
}
