// SPDX-License-Identifier: Apache-2.0
/**
 * That something may have been appended, for the one consumer of an event log that waits for it: a
 * wait ends with the next append, or at once when there was one since the wait before.
 */
import { closedError } from "./call-port.ts";

export class AppendSignal {
  /** True at first: there may be records from before. */
  #raised = true;
  #wake: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #closed = false;

  raise(): void {
    this.#raised = true;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  /** Resolves also when `signal` aborts; throws `unavailable` when it is closed. */
  async wait(signal: AbortSignal): Promise<void> {
    if (this.#closed) throw closedError("event log");
    if (!this.#raised && !signal.aborted) {
      const aborted = Promise.withResolvers<void>();
      const onAbort = (): void => aborted.resolve();
      signal.addEventListener("abort", onAbort, { once: true });
      await Promise.race([this.#wake.promise, aborted.promise]);
      signal.removeEventListener("abort", onAbort);
      if (this.#closed) throw closedError("event log");
    }
    if (!signal.aborted) this.#raised = false;
  }

  /** Ends waits, with `unavailable`. */
  close(): void {
    this.#closed = true;
    this.#wake.resolve();
  }
}
