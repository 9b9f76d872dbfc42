// SPDX-License-Identifier: Apache-2.0
/**
 * Texts that many devices have in common (what a release's digest is, what a model says of itself),
 * each kept once and counted: a holder keeps a number of four bytes in a column. A text goes with
 * its last holder, so there are never more than holders.
 */
import assert from "node:assert/strict";
import { grown } from "./columns.ts";

/** In a column: no text. */
export const NO_VALUE = 0;
const FIRST_CAPACITY = 64;

export class SharedValues {
  readonly #indexes = new Map<string, number>();
  /** By index; null: it is free. */
  readonly #values: (string | null)[] = [null];
  #counts: Uint32Array = new Uint32Array(FIRST_CAPACITY);
  readonly #free: number[] = [];

  /** Texts that are kept. */
  get count(): number {
    return this.#indexes.size;
  }

  /** The number of this text for one holder more; never `NO_VALUE`. */
  take(value: string): number {
    const known = this.#indexes.get(value);
    const index = known ?? this.#add(value);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    return index;
  }

  /** A holder less. */
  release(index: number): void {
    const count = this.#counts[index] as number;
    assert(index !== NO_VALUE && count > 0, "what is released was taken");
    this.#counts[index] = count - 1;
    if (count > 1) return;
    this.#indexes.delete(this.value(index));
    this.#values[index] = null;
    this.#free.push(index);
  }

  /** The text of a number that is held. */
  value(index: number): string {
    const value = this.#values[index];
    assert(typeof value === "string", "only what is held is asked for");
    return value;
  }

  #add(value: string): number {
    const index = this.#free.pop() ?? this.#values.length;
    if (index === this.#counts.length) {
      this.#counts = grown(this.#counts, new Uint32Array(index * 2));
    }
    // A copy: a part of a message's text would keep the whole message.
    const own = Buffer.from(value, "utf8").toString("utf8");
    this.#values[index] = own;
    this.#indexes.set(own, index);
    return index;
  }
}
