// SPDX-License-Identifier: Apache-2.0
/** The system's generator behind the Random port. */
import { randomBytes } from "node:crypto";
import type { Random } from "../ports/random.ts";

export const systemRandom: Random = {
  next: (): number => randomBytes(6).readUIntBE(0, 6) / 2 ** 48,
  bytes: (length: number): Uint8Array => randomBytes(length),
};
