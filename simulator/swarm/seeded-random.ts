// SPDX-License-Identifier: Apache-2.0
/**
 * The Random port from a seed, one number of state: thousands of devices have one each. mulberry32
 * (public domain): good enough for pauses and choices, useless for keys.
 */
import { hash53 } from "../../domain/hash.ts";
import type { Random } from "../../ports/random.ts";

export class SeededRandom implements Random {
  #state: number;

  /** `seed` of the whole run, `name` of whoever draws. */
  constructor(options: { seed: string; name: string }) {
    this.#state = hash53(options.seed, options.name) >>> 0;
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b_79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => Math.floor(this.next() * 256));
  }
}
