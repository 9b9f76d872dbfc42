// SPDX-License-Identifier: Apache-2.0
/** Bytes that differ at each call and are the same in each run: enough to name files in a test. */
import type { Random } from "../../../ports/random.ts";

export function countingRandom(): Random {
  let count = 0;
  return {
    next: () => (count++ % 1_000) / 1_000,
    bytes: (length) => {
      const bytes = new Uint8Array(length);
      new DataView(bytes.buffer).setUint32(0, ++count);
      return bytes;
    },
  };
}
