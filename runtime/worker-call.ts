// SPDX-License-Identifier: Apache-2.0
/**
 * Calls into a synchronous core that lives in a worker thread (`worker-serve.ts`), so that a scan
 * of a million rows or a slow disk does not stop the event loop.
 *
 * States: open → closing (`close`: no new calls, the ones made are finished) → ended; or open →
 * ended at once, when the thread dies. Calls wait in a queue of bounded length and are handed to
 * the thread a few at a time, so that a call whose signal aborts while it waits never runs.
 */
import { Worker } from "node:worker_threads";
import { MusterError } from "../domain/errors.ts";
import { closedError } from "./call-port.ts";
import type { CallOptions, CallPort, InputOf, MethodOf, OutputOf } from "./call-port.ts";
import { decodeError } from "./worker-messages.ts";
import type { ThreadInput, ThreadOutput } from "./worker-messages.ts";

/**
 * Enough that the thread always has the next call at hand, few enough that an aborted call is
 * usually still here and can be dropped.
 */
const MAX_POSTED_CALLS = 4;

interface PendingCall {
  readonly id: number;
  readonly method: string;
  readonly input: unknown;
  readonly signal: AbortSignal;
  readonly transfer: readonly ArrayBuffer[];
  readonly resolve: (output: unknown) => void;
  readonly reject: (error: unknown) => void;
  readonly onAbort: () => void;
}

export interface WorkerOptions {
  /** What it is, for messages and the thread's name: `store`. */
  readonly name: string;
  /** The module that calls `serveCalls`; see `siblingModule`. */
  readonly module: URL;
  /** Given to the module's `open`; must survive a structured clone. */
  readonly data: unknown;
  /** Calls waiting and running; beyond it a call fails with `unavailable`. */
  readonly maxPendingCalls: number;
  /** Bounds the part of its heap that new objects fill; default: what the runtime thinks fit. */
  readonly maxYoungMebibytes?: number;
  /** The thread died of a bug. Default: the error is thrown as uncaught and ends the process. */
  readonly onCrash?: (error: Error) => void;
  /** Gives up opening; has no part in what follows. */
  readonly signal: AbortSignal;
}

/** The URL of a module beside `importer`, .ts in a clone and .js in the published package. */
export function siblingModule(name: string, importer: string): URL {
  return new URL(`./${name}${importer.endsWith(".ts") ? ".ts" : ".js"}`, importer);
}

/** A running thread and what its opener said. */
export interface Started<Core, Facts> {
  readonly calls: WorkerCall<Core>;
  readonly facts: Facts;
}

/** Starts the thread; resolves when its core is open, throws what opening threw. */
export async function startWorker<Core, Facts>(
  options: WorkerOptions,
): Promise<Started<Core, Facts>> {
  options.signal.throwIfAborted();
  const { maxYoungMebibytes } = options;
  const worker = new Worker(options.module, {
    workerData: options.data,
    name: options.name,
    ...(maxYoungMebibytes === undefined
      ? {}
      : { resourceLimits: { maxYoungGenerationSizeMb: maxYoungMebibytes } }),
    execArgv: [], // Flags of the main module (--eval, --input-type) would be applied to this one.
  });
  const { promise, resolve, reject } = Promise.withResolvers<Started<Core, Facts>>();
  const onAbort = (): void => reject(options.signal.reason);
  const onMessage = (message: ThreadOutput): void => {
    if (message.type === "refused") reject(decodeError(message.error));
    // Taken over in this very event: a crash right after it must find its listener.
    if (message.type === "opened") {
      resolve({ calls: WorkerCall.over(worker, options), facts: message.facts as Facts });
    }
  };
  const onExit = (): void => reject(new Error(`the ${options.name} thread ended while opening`));
  options.signal.addEventListener("abort", onAbort, { once: true });
  worker.once("message", onMessage).once("error", reject).once("exit", onExit);
  try {
    return await promise;
  } catch (error) {
    await worker.terminate();
    throw error;
  } finally {
    options.signal.removeEventListener("abort", onAbort);
    worker.off("error", reject).off("exit", onExit);
  }
}

export class WorkerCall<Core> implements CallPort<Core> {
  readonly #worker: Worker;
  readonly #name: string;
  readonly #maxPendingCalls: number;
  readonly #onCrash: (error: Error) => void;
  readonly #exited: PromiseWithResolvers<void> = Promise.withResolvers<void>();
  #queue: PendingCall[] = [];
  readonly #posted = new Map<number, PendingCall>();
  #nextId = 1;
  #closing = false;
  #terminating = false;
  #crash: Error | null = null;
  #closeError: MusterError | null = null;

  private constructor(worker: Worker, options: WorkerOptions) {
    this.#worker = worker;
    this.#name = options.name;
    this.#maxPendingCalls = options.maxPendingCalls;
    this.#onCrash = options.onCrash ?? throwUncaught;
  }

  /** Takes over a worker whose core is open. */
  static over<Core>(worker: Worker, options: WorkerOptions): WorkerCall<Core> {
    const calls = new WorkerCall<Core>(worker, options);
    worker.on("message", (message: ThreadOutput) => calls.#receive(message));
    worker.on("error", (error) => {
      calls.#crash = error instanceof Error ? error : new Error(String(error));
    });
    worker.once("exit", () => calls.#end());
    return calls;
  }

  call<M extends MethodOf<Core>>(
    method: M,
    input: InputOf<Core, M>,
    options: CallOptions,
  ): Promise<OutputOf<Core, M>> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    const refusal = this.#refusal(options.signal);
    if (refusal !== null) {
      reject(refusal.reason);
      return promise as Promise<OutputOf<Core, M>>;
    }
    const id = this.#nextId++;
    const onAbort = (): void => this.#abort(id);
    const { signal, transfer = [] } = options;
    signal.addEventListener("abort", onAbort, { once: true });
    this.#queue.push({ id, method, input, signal, transfer, resolve, reject, onAbort });
    this.#post();
    return promise as Promise<OutputOf<Core, M>>;
  }

  async close(): Promise<void> {
    if (!this.#closing) {
      this.#closing = true;
      this.#post();
    }
    await this.#exited.promise;
    if (this.#closeError !== null) throw this.#closeError;
  }

  /** Ends the thread between two of its steps, as a crash would; for tests of crashes. */
  async terminate(): Promise<void> {
    this.#closing = true;
    this.#terminating = true;
    await this.#worker.terminate();
    await this.#exited.promise;
  }

  #refusal(signal: AbortSignal): { reason: unknown } | null {
    if (signal.aborted) return { reason: signal.reason };
    if (this.#crash !== null) return { reason: this.#endedError() };
    if (this.#closing) return { reason: closedError(this.#name) };
    if (this.#queue.length + this.#posted.size < this.#maxPendingCalls) return null;
    return {
      reason: new MusterError({
        code: "unavailable",
        message: `the ${this.#name} has ${this.#maxPendingCalls} calls waiting and takes no more`,
        detail: { hint: "try again later; if it lasts, the disk is too slow for this load" },
      }),
    };
  }

  /** Hands over what fits; when nothing is left after `close`, asks the thread to close. */
  #post(): void {
    while (this.#posted.size < MAX_POSTED_CALLS) {
      const call = this.#queue.shift();
      if (call === undefined) break;
      const message: ThreadInput = {
        type: "call",
        id: call.id,
        method: call.method,
        input: call.input,
      };
      try {
        this.#worker.postMessage(message, [...call.transfer]);
        this.#posted.set(call.id, call);
      } catch (error) {
        this.#settle(call); // The input cannot be cloned: a bug of the caller, who gets it.
        call.reject(error);
      }
    }
    if (this.#closing && this.#posted.size === 0 && this.#queue.length === 0) {
      this.#worker.postMessage({ type: "close" } satisfies ThreadInput, []);
    }
  }

  #receive(message: ThreadOutput): void {
    if (message.type === "closed") {
      this.#closeError = message.error === null ? null : decodeError(message.error);
    }
    if (message.type !== "done" && message.type !== "failed") return;
    const call = this.#posted.get(message.id);
    if (call === undefined) return;
    this.#posted.delete(message.id);
    this.#settle(call);
    if (message.type === "done") call.resolve(message.output);
    else call.reject(decodeError(message.error));
    this.#post();
  }

  #abort(id: number): void {
    const call = this.#posted.get(id) ?? this.#queue.find((waiting) => waiting.id === id);
    if (call === undefined) return;
    this.#queue = this.#queue.filter((waiting) => waiting !== call);
    call.reject(call.signal.reason); // A posted one keeps its place until the thread answers.
  }

  #settle(call: PendingCall): void {
    call.signal.removeEventListener("abort", call.onAbort);
  }

  #end(): void {
    const asked = this.#closing && this.#posted.size === 0 && this.#queue.length === 0;
    if (!asked || this.#crash !== null) {
      this.#crash ??= new Error(`the ${this.#name} thread ended unasked`);
      for (const call of [...this.#posted.values(), ...this.#queue]) {
        this.#settle(call);
        call.reject(this.#endedError());
      }
      this.#posted.clear();
      this.#queue = [];
      if (!this.#terminating) this.#onCrash(this.#crash);
    }
    this.#exited.resolve();
  }

  #endedError(): MusterError {
    return new MusterError({
      code: "unavailable",
      message: `the ${this.#name} of this process has ended; what it was doing may have happened`,
      cause: this.#crash,
      detail: { hint: "restart the process; its log has the cause" },
    });
  }
}

function throwUncaught(error: Error): void {
  queueMicrotask(() => {
    throw error;
  });
}
