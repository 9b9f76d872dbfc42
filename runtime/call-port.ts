// SPDX-License-Identifier: Apache-2.0
/**
 * A synchronous core behind an asynchronous door. An engine's core is a plain class whose methods
 * take one input and return one output; its port talks to it through a `CallPort`, so that the
 * same core runs in a thread of its own (`worker-call.ts`, production) or on the caller's thread
 * (`DirectCall`, simulation and tests: no threads, everything in order).
 */
import { MusterError } from "../domain/errors.ts";

export interface CallOptions {
  readonly signal: AbortSignal;
  /** Buffers inside the input that the callee may take over; the caller must not use them again. */
  readonly transfer?: readonly ArrayBuffer[];
}

/** `Core` maps each method to `(input) => output`. Calls run one at a time, in order of calling. */
export interface CallPort<Core> {
  /**
   * Throws what the method throws; the signal's reason when it aborts first. An aborted call that
   * had begun may still take effect; one that had not is dropped.
   */
  call<M extends MethodOf<Core>>(
    method: M,
    input: InputOf<Core, M>,
    options: CallOptions,
  ): Promise<OutputOf<Core, M>>;

  /** Refuses further calls with `unavailable`, finishes those that were made, closes the core. */
  close(): Promise<void>;
}

export type MethodOf<Core> = {
  [M in keyof Core]: Core[M] extends (input: never) => unknown ? M : never;
}[keyof Core] &
  string;

export type InputOf<Core, M extends keyof Core> = Core[M] extends (input: infer I) => unknown
  ? I
  : never;

export type OutputOf<Core, M extends keyof Core> = Core[M] extends (input: never) => infer O
  ? O
  : never;

/** Runs each call at once on this thread. */
export class DirectCall<Core extends { close(): void }> implements CallPort<Core> {
  readonly #name: string;
  readonly #core: Core;
  #closed = false;

  constructor(options: { name: string; core: Core }) {
    this.#name = options.name;
    this.#core = options.core;
  }

  async call<M extends MethodOf<Core>>(
    method: M,
    input: InputOf<Core, M>,
    options: CallOptions,
  ): Promise<OutputOf<Core, M>> {
    options.signal.throwIfAborted();
    if (this.#closed) throw closedError(this.#name);
    const run = this.#core[method] as (input: InputOf<Core, M>) => OutputOf<Core, M>;
    return run.call(this.#core, input);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#core.close();
  }
}

/** What a call gets after `close`. */
export function closedError(name: string): MusterError {
  return new MusterError({
    code: "unavailable",
    message: `the ${name} is closed; this process is stopping`,
  });
}
