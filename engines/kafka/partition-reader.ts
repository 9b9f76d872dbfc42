// SPDX-License-Identifier: Apache-2.0
/**
 * Reads one partition from any offset. Kafka answers in whole batches, of which a reader may want
 * less: what is left is kept for the read that goes on behind it, one answer at most.
 *
 * Offsets here are Kafka's plus one. Muster's records have no gaps, for nobody writes to the topic
 * in transactions and it is not compacted; where there are some all the same, reading goes on
 * behind them.
 */
import {
  FetchIsolationLevels,
  fetchV13,
  ListOffsetTimestamps,
  listOffsetsV7,
  type ConnectionPool,
  type RecordsBatch,
} from "@platformatic/kafka";
import { MusterError } from "../../domain/errors.ts";
import type { EventRecord } from "../../ports/event-log.ts";
import type { Logger } from "../../ports/logger.ts";
import type { KafkaCluster } from "./cluster.ts";
import { isKafkaError } from "./failure.ts";

/** Short: the rollout loop reads, and has more to do; it asks again. */
const READ_MS = 1_000;
/** A whole batch comes even when it is larger (KIP-74), and none of ours is. */
const FETCH_BYTES: number = 2 ** 20;
/** The bit of a batch's attributes that says that it is no data but a transaction's end. */
const CONTROL_BATCH = 1 << 5;
const NO_EPOCH = -1;
/** A fetch of its own, not one of a session that the broker keeps (KIP-227). */
const NO_FETCH_SESSION = [0, -1] as const;

export interface PartitionReaderOptions {
  readonly cluster: KafkaCluster;
  readonly pool: ConnectionPool;
  readonly topicId: string;
  readonly partition: number;
  readonly logger: Logger;
}

export class PartitionReader {
  readonly #options: PartitionReaderOptions;
  /** Records that follow `afterOffset`, from `next` on. */
  #ahead: { afterOffset: number; records: readonly EventRecord[]; next: number } | null = null;

  constructor(options: PartitionReaderOptions) {
    this.#options = options;
  }

  async read(options: {
    afterOffset: number;
    limit: number;
    signal: AbortSignal;
  }): Promise<readonly EventRecord[]> {
    const { afterOffset, limit, signal } = options;
    let ahead = this.#ahead;
    if (ahead?.afterOffset !== afterOffset || ahead.next === ahead.records.length) {
      ahead = { afterOffset, records: await this.#fetch(afterOffset, signal), next: 0 };
    }
    const { records, next } = ahead;
    const taken = records.slice(next, next + limit);
    const last = taken.at(-1)?.offset ?? afterOffset;
    this.#ahead = { afterOffset: last, records, next: next + taken.length };
    return taken;
  }

  /** Records were deleted: what was read ahead may be among them. */
  forget(): void {
    this.#ahead = null;
  }

  async #fetch(afterOffset: number, signal: AbortSignal): Promise<EventRecord[]> {
    const { cluster } = this.#options;
    let from = BigInt(afterOffset);
    return await cluster.attempt("read", { forMs: READ_MS, signal }, async () => {
      for (;;) {
        try {
          const batches = await this.#fetchFrom(from);
          const records = this.#recordsOf(batches, from);
          const last = batches.at(-1);
          if (records.length > 0 || last === undefined) return records;
          from = last.firstOffset + BigInt(last.lastOffsetDelta) + 1n;
        } catch (error) {
          if (!isKafkaError(error, "OFFSET_OUT_OF_RANGE")) throw error;
          from = await this.#firstOffset(from, afterOffset);
        }
      }
    });
  }

  async #fetchFrom(from: bigint): Promise<readonly RecordsBatch[]> {
    const { cluster, pool, topicId, partition } = this.#options;
    const connection = await cluster.leaderConnection(pool, partition);
    const wanted = {
      partition,
      currentLeaderEpoch: NO_EPOCH,
      fetchOffset: from,
      lastFetchedEpoch: NO_EPOCH,
      partitionMaxBytes: FETCH_BYTES,
    };
    const response = await fetchV13.api.async(
      connection,
      0,
      1,
      FETCH_BYTES,
      FetchIsolationLevels.READ_UNCOMMITTED,
      ...NO_FETCH_SESSION,
      [{ topicId, partitions: [wanted] }],
      [],
      "",
    );
    return response.responses[0]?.partitions[0]?.records ?? [];
  }

  #recordsOf(batches: readonly RecordsBatch[], from: bigint): EventRecord[] {
    const { partition } = this.#options;
    const records: EventRecord[] = [];
    for (const { firstOffset, attributes, records: packed } of batches) {
      if ((attributes & CONTROL_BATCH) !== 0) continue;
      for (const { offsetDelta, value } of packed) {
        const offset = firstOffset + BigInt(offsetDelta);
        // The batch began before; nothing is no record of ours.
        if (offset < from || value === null) continue;
        // A copy: a Buffer's slice is a view, and a record must not drag the whole answer along.
        const bytes = new Uint8Array(value);
        records.push({ partition, offset: Number(offset) + 1, bytes });
      }
    }
    return records;
  }

  /** Where reading goes on when there is nothing at `from`. */
  async #firstOffset(from: bigint, afterOffset: number): Promise<bigint> {
    const { cluster, partition, logger } = this.#options;
    const first = await this.offsetAt(ListOffsetTimestamps.EARLIEST);
    if (from >= first) {
      throw new MusterError({
        code: "corrupt",
        message:
          `${cluster.url.shown} ends before offset ${afterOffset} of partition ${partition}, ` +
          "which was read before: the topic has lost records that it had acknowledged",
        detail: {
          hint: "give the event log a new topic: devices send again what they still keep",
        },
      });
    }
    if (afterOffset > 0) {
      const facts = { partition, from: afterOffset + 1, to: Number(first) };
      logger.error("records of the event log were deleted before they were read", facts);
    }
    return first;
  }

  /** The first offset, or the one behind the last: Kafka's. */
  async offsetAt(timestamp: bigint): Promise<bigint> {
    const { cluster, pool, partition } = this.#options;
    const connection = await cluster.leaderConnection(pool, partition);
    const { topic } = cluster.url;
    const wanted = { partitionIndex: partition, currentLeaderEpoch: NO_EPOCH, timestamp };
    const response = await listOffsetsV7.api.async(
      connection,
      -1,
      FetchIsolationLevels.READ_UNCOMMITTED,
      [{ name: topic, partitions: [wanted] }],
    );
    return response.topics[0]?.partitions[0]?.offset ?? 0n;
  }
}
