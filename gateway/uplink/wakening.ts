// SPDX-License-Identifier: Apache-2.0
/** One sleeper and many who may wake it: a wake while it is awake is remembered, once. */
export class Wakening {
  #isWoken = false;
  #resolve: (() => void) | null = null;

  wake(): void {
    this.#isWoken = true;
    this.#resolve?.();
  }

  /** Resolves at the next wake, at once when there was one since the last wait, or on abort. */
  async wait(signal: AbortSignal): Promise<void> {
    if (!this.#isWoken && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#resolve = resolve;
      const onAbort = (): void => resolve();
      signal.addEventListener("abort", onAbort, { once: true });
      await promise;
      // A stream lives for months: a listener left behind at each wait would fill the memory.
      signal.removeEventListener("abort", onAbort);
      this.#resolve = null;
    }
    this.#isWoken = false;
  }
}
