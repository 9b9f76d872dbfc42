// SPDX-License-Identifier: Apache-2.0
/**
 * Group commit: appends that arrive while one group is being made durable form the next, so that a
 * sync of the disk is shared by all that waited for it. At most one group is under way. An append
 * that is aborted while it waits is dropped; one whose group is under way may still take effect.
 */
import { MusterError } from "../../domain/errors.ts";
import { closedError } from "../../runtime/call-port.ts";
import type { AppendedRecord } from "./event-log-core.ts";

/** A transaction of this size takes some tens of milliseconds: a newcomer waits no longer. */
const MAX_GROUP_BYTES: number = 8 * 2 ** 20;
const MAX_GROUP_RECORDS = 10_000;
/** A few seconds of a slow disk; gateways hold what is refused and send it again. */
const MAX_QUEUED_APPENDS = 1_024;
const MAX_QUEUED_BYTES: number = 64 * 2 ** 20;

interface QueuedAppend {
  readonly records: readonly AppendedRecord[];
  readonly byteCount: number;
  readonly signal: AbortSignal;
  readonly onAbort: () => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class AppendQueue {
  readonly #commit: (records: readonly AppendedRecord[]) => Promise<void>;
  #queued: QueuedAppend[] = [];
  #queuedBytes = 0;
  #flushing: Promise<void> | null = null;
  #closed = false;

  /** `commit` makes the records durable, all or none. */
  constructor(options: { commit: (records: readonly AppendedRecord[]) => Promise<void> }) {
    this.#commit = options.commit;
  }

  /** Resolves when the records are durable; throws what `commit` throws; full: `unavailable`. */
  append(records: readonly AppendedRecord[], signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const byteCount = records.reduce((sum, record) => sum + record.bytes.byteLength, 0);
    const refusal = this.#refusal(byteCount, signal);
    if (refusal !== null) {
      reject(refusal.reason);
      return promise;
    }
    const onAbort = (): void => this.#abort(append);
    const append: QueuedAppend = { records, byteCount, signal, onAbort, resolve, reject };
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
    const fits = this.#queuedBytes === 0 || this.#queuedBytes + byteCount <= MAX_QUEUED_BYTES;
    if (hasPlace && fits) return null;
    return {
      reason: new MusterError({
        code: "unavailable",
        message:
          `cannot append to the event log: ${this.#queued.length} appends of together ` +
          `${this.#queuedBytes} bytes are waiting for the disk`,
        detail: { hint: "try again later; if it lasts, the disk is too slow for this load" },
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

  #takeGroup(): QueuedAppend[] {
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

  #abort(append: QueuedAppend): void {
    append.reject(append.signal.reason);
    const index = this.#queued.indexOf(append);
    if (index === -1) return;
    this.#queued.splice(index, 1);
    this.#queuedBytes -= append.byteCount;
  }
}
