// SPDX-License-Identifier: Apache-2.0
/** One numbered, forward-only change of the database's shape. */

export interface Migration {
  /** From 1, without gaps. */
  readonly number: number;
  /** Leaves a shape that the program before it still reads and writes: expand, then contract. */
  readonly sql: string;
}
