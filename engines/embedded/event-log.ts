// SPDX-License-Identifier: Apache-2.0
/**
 * The embedded event log: one SQLite file (`event-log-core.ts`), group commit (`append-queue.ts` in
 * runtime/), in a worker thread in production and on the caller's thread in simulation.
 *
 * `waitForAppend` knows one consumer: the ingest of this process, which reads all partitions. A
 * read carries at most 16 MiB, so fewer records than asked for do not mean that the end is reached;
 * an empty answer does.
 */
import assert from "node:assert/strict";
import { MAX_APPEND_RECORDS, MAX_RECORD_BYTES } from "../../ports/event-log.ts";
import type { EventLog, EventRecord } from "../../ports/event-log.ts";
import type { FileSpace } from "../../ports/file-space.ts";
import { checkBytes, checkCount, checkLimit } from "../../ports/limits.ts";
import type { Logger } from "../../ports/logger.ts";
import { AppendQueue } from "../../runtime/append-queue.ts";
import { AppendSignal } from "../../runtime/append-signal.ts";
import { DirectCall } from "../../runtime/call-port.ts";
import type { CallPort } from "../../runtime/call-port.ts";
import { siblingModule, startWorker } from "../../runtime/worker-call.ts";
import type { Started } from "../../runtime/worker-call.ts";
import { openEventLogCore } from "./event-log-core.ts";
import type { AppendedRecord, EventLogCalls, EventLogCoreOptions } from "./event-log-core.ts";
import type { EventLogFacts } from "./event-log-core.ts";

/** Appends are grouped before they get here, so these are reads: one a partition, and trims. */
const MAX_PENDING_CALLS = 1_024;
const MAX_READ_RECORDS = 1_000;

export interface EmbeddedEventLogOptions extends EventLogCoreOptions {
  readonly logger: Logger;
  /** The thread died of a bug. Default: the error is uncaught and ends the process. */
  readonly onCrash?: (error: Error) => void;
  /** Gives up opening. */
  readonly signal: AbortSignal;
}

/**
 * Opens the log at `path`, or makes it. Throws `corrupt`, `no_space` or `failed_precondition` (in
 * use, newer schema, another partition count than it was made with).
 */
export async function openEmbeddedEventLog(
  options: EmbeddedEventLogOptions,
): Promise<EmbeddedEventLog> {
  const { calls, facts } = await startEventLogThread(options);
  return new EmbeddedEventLog({ calls, partitionCount: facts.partitionCount });
}

/** The same on the caller's thread, for simulation; `path` `:memory:` keeps it in memory. */
export function openDirectEventLog(options: EventLogCoreOptions): EmbeddedEventLog {
  const core = openEventLogCore(options);
  const calls = new DirectCall({ name: "event log", core });
  return new EmbeddedEventLog({ calls, partitionCount: core.facts.partitionCount });
}

/** The thread without the port around it, for tests that end it in the midst of its work. */
export async function startEventLogThread(
  options: EmbeddedEventLogOptions,
): Promise<Started<EventLogCalls, EventLogFacts>> {
  const { logger, onCrash, signal, ...data } = options;
  const started = await startWorker<EventLogCalls, EventLogFacts>({
    name: "event log",
    module: siblingModule("event-log-worker", import.meta.url),
    data,
    maxPendingCalls: MAX_PENDING_CALLS,
    signal,
    ...(onCrash === undefined ? {} : { onCrash }),
  });
  if (started.facts.recovered) {
    logger.info("The event log was not closed properly; it was checked and is whole.");
  }
  return started;
}

export class EmbeddedEventLog implements EventLog, AsyncDisposable {
  readonly id = "embedded";
  readonly partitionCount: number;
  readonly #calls: CallPort<EventLogCalls>;
  readonly #appends: AppendQueue<AppendedRecord>;
  readonly #appended = new AppendSignal();

  constructor(options: { calls: CallPort<EventLogCalls>; partitionCount: number }) {
    this.partitionCount = options.partitionCount;
    this.#calls = options.calls;
    this.#appends = new AppendQueue({ commit: (records) => this.#commit(records) });
  }

  async append(
    records: readonly { partition: number; bytes: Uint8Array }[],
    options: { signal: AbortSignal },
  ): Promise<void> {
    checkCount("records in an append", records.length, MAX_APPEND_RECORDS);
    for (const { partition, bytes } of records) {
      this.#checkPartition(partition);
      checkBytes("a record", bytes.byteLength, MAX_RECORD_BYTES);
    }
    // Copied: the caller may reuse its buffer, and a view must not drag its whole buffer along.
    const copies = records.map(({ partition, bytes }) => {
      return { partition, bytes: new Uint8Array(bytes) };
    });
    await this.#appends.append(copies, options.signal);
  }

  async read(
    partition: number,
    options: { afterOffset: number; limit: number; signal: AbortSignal },
  ): Promise<readonly EventRecord[]> {
    this.#checkPartition(partition);
    const { afterOffset, limit, signal } = options;
    checkLimit("records", limit, MAX_READ_RECORDS);
    return await this.#calls.call("read", { partition, afterOffset, limit }, { signal });
  }

  waitForAppend(options: { signal: AbortSignal }): Promise<void> {
    return this.#appended.wait(options.signal);
  }

  async trim(partition: number, offset: number, options: { signal: AbortSignal }): Promise<void> {
    this.#checkPartition(partition);
    while (!(await this.#calls.call("trimStep", { partition, offset }, options)));
  }

  space(options: { signal: AbortSignal }): Promise<FileSpace> {
    return this.#calls.call("space", {}, options);
  }

  async close(): Promise<void> {
    this.#appended.close();
    await this.#appends.close();
    await this.#calls.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #commit(records: readonly AppendedRecord[]): Promise<void> {
    const transfer = records.map((record) => record.bytes.buffer as ArrayBuffer);
    // A group has several callers: none of their signals may end it for the others.
    const { signal } = new AbortController();
    await this.#calls.call("append", { records }, { signal, transfer });
    this.#appended.raise();
  }

  #checkPartition(partition: number): void {
    const valid = Number.isInteger(partition) && partition >= 0 && partition < this.partitionCount;
    assert(valid, `there is no partition ${partition}, only 0 to ${this.partitionCount - 1}`);
  }
}
