// SPDX-License-Identifier: Apache-2.0
/**
 * The event log in Kafka: a partition of the port is a partition of one topic, an append is written
 * when all replicas in sync have it. Records that were trimmed are deleted (DeleteRecords); the
 * disk is free when their segment is full. Several processes may append and read.
 *
 * When a broker is away, reads fail with `unavailable` after a second and appends after 30; both
 * succeed again when a leader is back.
 */
import assert from "node:assert/strict";
import { deleteRecordsV2, type ConnectionPool } from "@platformatic/kafka";
import type { Clock } from "../../ports/clock.ts";
import { MAX_APPEND_RECORDS, MAX_RECORD_BYTES } from "../../ports/event-log.ts";
import type { EventLog, EventRecord } from "../../ports/event-log.ts";
import { checkBytes, checkCount, checkLimit } from "../../ports/limits.ts";
import type { Logger } from "../../ports/logger.ts";
import { AppendSignal } from "../../runtime/append-signal.ts";
import { closedError } from "../../runtime/call-port.ts";
import { AppendWatch } from "./append-watch.ts";
import { KafkaCluster, type Topology } from "./cluster.ts";
import { readConnectionSettings } from "./connection-settings.ts";
import { isKafkaError } from "./failure.ts";
import { parseKafkaLogUrl } from "./log-url.ts";
import { PartitionAppender } from "./partition-appender.ts";
import { PartitionReader } from "./partition-reader.ts";
import { openTopic } from "./topic.ts";

const MAX_READ_RECORDS = 1_000;
/** As the embedded log's: a few seconds of a slow broker; gateways hold what is refused. */
const MAX_QUEUED_BYTES: number = 64 * 2 ** 20;
/** A mebibyte takes some milliseconds; a broker that is stopped is given up after it. */
const READ_TIMEOUT_MS = 5_000;
const TRIM_MS = 1_000;
const TRIM_TIMEOUT_MS = 5_000;
/** A center that stops does not wait for a broker that is away. */
const CLOSE_MS = 5_000;
/** To the end of what there is now, in DeleteRecords. */
const TO_THE_END = -1n;

export interface KafkaEventLogOptions {
  /** As `parseKafkaLogUrl` reads it. */
  readonly url: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Gives up opening. */
  readonly signal: AbortSignal;
}

/**
 * Connects, and makes the topic when there is none. Throws `invalid_argument` (the URL),
 * `unavailable` (no broker in 20 s) or `failed_precondition` (the topic is not as it must be).
 */
export async function openKafkaEventLog(options: KafkaEventLogOptions): Promise<KafkaEventLog> {
  const { clock, logger, signal } = options;
  const url = parseKafkaLogUrl(options.url);
  const cluster = new KafkaCluster({ url, settings: await readConnectionSettings(url), clock });
  try {
    const topology = await openTopic(cluster, { logger, signal });
    const log = new KafkaEventLog({ cluster, topology, logger });
    await log.watch.open(signal);
    return log;
  } catch (error) {
    await cluster.close();
    throw error;
  }
}

export class KafkaEventLog implements EventLog, AsyncDisposable {
  readonly id: string;
  readonly partitionCount: number;
  readonly watch: AppendWatch;
  readonly #cluster: KafkaCluster;
  readonly #readers: readonly PartitionReader[];
  readonly #appenders: readonly PartitionAppender[];
  readonly #trims: ConnectionPool;
  readonly #appended = new AppendSignal();
  /** Aborted to give up what is under way. */
  readonly #end = new AbortController();
  #closing: Promise<void> | null = null;

  constructor(options: { cluster: KafkaCluster; topology: Topology; logger: Logger }) {
    const { cluster, topology, logger } = options;
    const { topicId, leaders } = topology;
    const { signal } = this.#end;
    this.#cluster = cluster;
    this.id = `kafka:${topicId}`;
    this.partitionCount = leaders.length;
    const maxQueuedBytes = MAX_QUEUED_BYTES / leaders.length;
    const pool = cluster.openPool(READ_TIMEOUT_MS);
    this.#trims = cluster.openPool(TRIM_TIMEOUT_MS + READ_TIMEOUT_MS);
    this.#appenders = leaders.map(
      (_, partition) => new PartitionAppender({ cluster, partition, maxQueuedBytes, signal }),
    );
    this.#readers = leaders.map(
      (_, partition) => new PartitionReader({ cluster, pool, topicId, partition, logger }),
    );
    const onAppend = (): void => this.#appended.raise();
    this.watch = new AppendWatch({ cluster, topicId, readers: this.#readers, onAppend, signal });
  }

  async append(
    records: readonly { partition: number; bytes: Uint8Array }[],
    options: { signal: AbortSignal },
  ): Promise<void> {
    checkCount("records in an append", records.length, MAX_APPEND_RECORDS);
    // Copied: the caller may reuse its buffer.
    const parts = new Map<number, { bytes: Buffer }[]>();
    for (const { partition, bytes } of records) {
      this.#checkPartition(partition);
      checkBytes("a record", bytes.byteLength, MAX_RECORD_BYTES);
      const part = parts.get(partition) ?? [];
      if (part.push({ bytes: Buffer.from(bytes) }) === 1) parts.set(partition, part);
    }
    options.signal.throwIfAborted();
    this.#checkOpen();
    const appends = Array.from(parts, async ([partition, part]) => {
      await this.#appenders[partition]?.append(part, options.signal);
      this.#appended.raise();
    });
    // All have ended when this does: whoever appends again does not overtake itself.
    const failed = (await Promise.allSettled(appends)).find(({ status }) => status === "rejected");
    if (failed?.status === "rejected") throw failed.reason;
  }

  async read(
    partition: number,
    options: { afterOffset: number; limit: number; signal: AbortSignal },
  ): Promise<readonly EventRecord[]> {
    this.#checkPartition(partition);
    checkLimit("records", options.limit, MAX_READ_RECORDS);
    this.#checkOpen();
    return (await this.#readers[partition]?.read(options)) ?? [];
  }

  async waitForAppend(options: { signal: AbortSignal }): Promise<void> {
    if (this.#closing === null) this.watch.start();
    await this.#appended.wait(options.signal);
  }

  async trim(partition: number, offset: number, options: { signal: AbortSignal }): Promise<void> {
    this.#checkPartition(partition);
    this.#checkOpen();
    if (offset === 0) return;
    const { signal } = options;
    const upTo = BigInt(offset);
    await this.#cluster.attempt("trim", { forMs: TRIM_MS, signal }, async () => {
      try {
        await this.#deleteRecords(partition, upTo);
      } catch (error) {
        if (!isKafkaError(error, "OFFSET_OUT_OF_RANGE")) throw error;
        await this.#deleteRecords(partition, TO_THE_END);
      }
    });
    this.#readers[partition]?.forget();
  }

  /** On the disks of the brokers, not here. */
  async space(): Promise<null> {
    return null;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    this.#appended.close();
    const cancel = this.#cluster.clock.setTimer(CLOSE_MS, () => this.#giveUp());
    await Promise.all(this.#appenders.map((appender) => appender.close()));
    cancel();
    this.#giveUp();
    await this.watch.ended();
    await this.#cluster.close();
  }

  #giveUp(): void {
    this.#end.abort(closedError("event log"));
  }

  async #deleteRecords(partition: number, offset: bigint): Promise<void> {
    const connection = await this.#cluster.leaderConnection(this.#trims, partition);
    const { topic } = this.#cluster.url;
    const partitions = [{ partitionIndex: partition, offset }];
    await deleteRecordsV2.api.async(connection, [{ name: topic, partitions }], TRIM_TIMEOUT_MS);
  }

  #checkOpen(): void {
    if (this.#closing !== null) throw closedError("event log");
  }

  #checkPartition(partition: number): void {
    const valid = Number.isInteger(partition) && partition >= 0 && partition < this.partitionCount;
    assert(valid, `there is no partition ${partition}, only 0 to ${this.partitionCount - 1}`);
  }
}
