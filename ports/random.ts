// SPDX-License-Identifier: Apache-2.0
/** Randomness as a port: seeded in simulation, the system's generator in production. */
export interface Random {
  /** A number in [0, 1). */
  next(): number;
  /** `length` unpredictable bytes (at most 65,536 a call). */
  bytes(length: number): Uint8Array;
}
