// SPDX-License-Identifier: Apache-2.0
/** So many tasks at once; the others wait their turn, first come, first served. */
export class Limiter {
  readonly #placeCount: number;
  readonly #waiting: (() => void)[] = [];
  #runningCount = 0;

  constructor(options: { placeCount: number }) {
    this.#placeCount = options.placeCount;
  }

  /**
   * Runs the task when there is a place. When the signal aborts meanwhile, the task is not run and
   * the signal's reason is thrown, at the task's turn: the tasks before it end early as well.
   */
  async run<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#runningCount >= this.#placeCount) {
      await new Promise<void>((resolve) => void this.#waiting.push(resolve));
    } else this.#runningCount += 1;
    try {
      signal.throwIfAborted();
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#runningCount -= 1;
      else next(); // The place goes on to it.
    }
  }
}
