// SPDX-License-Identifier: Apache-2.0
/**
 * Group commit: appends that arrive while one group is being made durable form the next, so that a
 * sync of the disk, or an answer of a broker, is shared by all that waited for it. At most one
 * group is under way. An append that is aborted while it waits is dropped; one whose group is under
 * way may still take effect.
 */
import { MusterError } from "../domain/errors.ts";
import { closedError } from "./call-port.ts";

/** A transaction of this size takes some tens of milliseconds: a newcomer waits no longer. */
const MAX_GROUP_BYTES: number = 8 * 2 ** 20;
const MAX_GROUP_RECORDS = 10_000;
/** A few seconds of a slow disk; gateways hold what is refused and send it again. */
const MAX_QUEUED_APPENDS = 1_024;
const MAX_QUEUED_BYTES: number = 64 * 2 ** 20;

interface Sized {
  readonly bytes: Uint8Array;
}

interface QueuedAppend<Item extends Sized> {
  readonly records: readonly Item[];
  readonly byteCount: number;
  readonly signal: AbortSignal;
  readonly onAbort: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export interface AppendQueueOptions<Item extends Sized> {
  /** Makes the records durable, in order. */
  readonly commit: (records: readonly Item[]) => Promise<void>;
  /** What appends wait for, as a person calls it. Default `the disk`. */
  readonly waitsFor?: string;
  /** Of what waits. Default 64 MiB. */
  readonly maxQueuedBytes?: number;
}

export class AppendQueue<Item extends Sized> {
  readonly #commit: AppendQueueOptions<Item>["commit"];
  readonly #waitsFor: string;
  readonly #maxQueuedBytes: number;
  #queued: QueuedAppend<Item>[] = [];
  #queuedBytes = 0;
  #flushing: Promise<void> | null = null;
  #closed = false;

  constructor(options: AppendQueueOptions<Item>) {
    this.#commit = options.commit;
    this.#waitsFor = options.waitsFor ?? "the disk";
    this.#maxQueuedBytes = options.maxQueuedBytes ?? MAX_QUEUED_BYTES;
  }

  /** Resolves when the records are durable; throws what `commit` throws; full: `unavailable`. */
  append(records: readonly Item[], signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const byteCount = records.reduce((sum, record) => sum + record.bytes.byteLength, 0);
    const refusal = this.#refusal(byteCount, signal);
    if (refusal !== null) {
      reject(refusal.reason);
      return promise;
    }
    const onAbort = (): void => this.#abort(append);
    const append: QueuedAppend<Item> = { records, byteCount, signal, onAbort, resolve, reject };
    signal.addEventListener("abort", onAbort, { once: true });
    this.#queued.push(append);
    this.#queuedBytes += byteCount;
    this.#flushing ??= this.#flush();
    return promise;
  }

  /** Refuses further appends; resolves when those made are done. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#flushing;
  }

  #refusal(byteCount: number, signal: AbortSignal): { reason: unknown } | null {
    if (signal.aborted) return { reason: signal.reason };
    if (this.#closed) return { reason: closedError("event log") };
    const hasPlace = this.#queued.length < MAX_QUEUED_APPENDS;
    // One append of any legal size is taken when nothing waits.
    const fits = this.#queuedBytes === 0 || this.#queuedBytes + byteCount <= this.#maxQueuedBytes;
    if (hasPlace && fits) return null;
    return {
      reason: new MusterError({
        code: "unavailable",
        message:
          `cannot append to the event log: ${this.#queued.length} appends of together ` +
          `${this.#queuedBytes} bytes are waiting for ${this.#waitsFor}`,
        detail: {
          hint: `try again later; if it lasts, ${this.#waitsFor} is too slow for this load`,
        },
      }),
    };
  }

  async #flush(): Promise<void> {
    for (;;) {
      const group = this.#takeGroup();
      if (group.length === 0) break;
      try {
        await this.#commit(group.flatMap((append) => append.records));
        for (const append of group) append.resolve();
      } catch (error) {
        for (const append of group) append.reject(error);
      }
      for (const append of group) append.signal.removeEventListener("abort", append.onAbort);
    }
    this.#flushing = null;
  }

  #takeGroup(): QueuedAppend<Item>[] {
    let count = 0;
    let recordCount = 0;
    let byteCount = 0;
    for (const append of this.#queued) {
      recordCount += append.records.length;
      byteCount += append.byteCount;
      if (count > 0 && (recordCount > MAX_GROUP_RECORDS || byteCount > MAX_GROUP_BYTES)) break;
      count += 1;
    }
    const group = this.#queued.splice(0, count);
    for (const append of group) this.#queuedBytes -= append.byteCount;
    return group;
  }

  #abort(append: QueuedAppend<Item>): void {
    append.reject(append.signal.reason);
    const index = this.#queued.indexOf(append);
    if (index === -1) return;
    this.#queued.splice(index, 1);
    this.#queuedBytes -= append.byteCount;
  }
}
