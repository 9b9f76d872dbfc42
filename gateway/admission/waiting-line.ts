// SPDX-License-Identifier: Apache-2.0
/** Who waits for what, in the order in which they came. */

/** How many that have left may lie at the start before the rest is moved. */
const MOVED_COUNT = 1_024;

export class WaitingLine<Waiting> {
  readonly #all: Waiting[] = [];
  /** Of those in `#all` that have left. */
  #leftCount = 0;

  get length(): number {
    return this.#all.length - this.#leftCount;
  }

  get first(): Waiting | undefined {
    return this.#all[this.#leftCount];
  }

  add(waiting: Waiting): void {
    this.#all.push(waiting);
  }

  shift(): Waiting | undefined {
    const { first } = this;
    if (first === undefined) return undefined;
    this.#leftCount += 1;
    if (this.#leftCount === this.#all.length || this.#leftCount === MOVED_COUNT) {
      this.#all.splice(0, this.#leftCount);
      this.#leftCount = 0;
    }
    return first;
  }
}
