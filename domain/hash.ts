// SPDX-License-Identifier: Apache-2.0
/**
 * A deterministic hash for placing devices in waves: the same (seed, device id) is always in the
 * same percentile. Not cryptographic; a device cannot choose its wave because the seed is drawn at
 * plan time. Two 32-bit murmur-style lanes, 53 bits together (cyrb53, public domain).
 */

/** A number in [0, 2^53), evenly spread. */
export function hash53(seed: string, text: string): number {
  return hasherOf(seed)(text);
}

/** The same for many texts: the seed is gone through once. */
export function hasherOf(seed: string): (text: string) => number {
  const begun = goThrough({ left: 0xdead_beef, right: 0x41c6_ce57 }, `${seed}\u0000`);
  return (text) => finish(goThrough(begun, text));
}

interface Lanes {
  readonly left: number;
  readonly right: number;
}

function goThrough(begun: Lanes, text: string): Lanes {
  let { left, right } = begun;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    left = Math.imul(left ^ unit, 2_654_435_761);
    right = Math.imul(right ^ unit, 1_597_334_677);
  }
  return { left, right };
}

function finish(lanes: Lanes): number {
  let { left, right } = lanes;
  left = Math.imul(left ^ (left >>> 16), 2_246_822_507);
  left ^= Math.imul(right ^ (right >>> 13), 3_266_489_909);
  right = Math.imul(right ^ (right >>> 16), 2_246_822_507);
  right ^= Math.imul(left ^ (left >>> 13), 3_266_489_909);
  return 4_294_967_296 * (2_097_151 & right) + (left >>> 0);
}
