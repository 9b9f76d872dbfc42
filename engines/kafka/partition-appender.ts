// SPDX-License-Identifier: Apache-2.0
/**
 * Appends to one partition: one request under way at a time, so that order holds; what arrives
 * meanwhile goes with the next. Durable is what the leader and `min.insync.replicas` have.
 *
 * An attempt that was not answered is made again under the same producer id and sequence, which the
 * broker knows: it is written once, and an old one that comes late is refused (KIP-98). When the
 * time is over the appender takes a new id and a new connection: what became of the batch is
 * unknown, and whoever appends it again may have it twice.
 */
import {
  initProducerIdV4,
  NumericMap,
  ProduceAcks,
  produceV9,
  type ConnectionPool,
} from "@platformatic/kafka";
import { MusterError } from "../../domain/errors.ts";
import { MAX_RECORD_BYTES } from "../../ports/event-log.ts";
import { AppendQueue } from "../../runtime/append-queue.ts";
import type { KafkaCluster } from "./cluster.ts";
import { isKafkaError } from "./failure.ts";

/**
 * Of an append, from when it is sent. An election took up to 10 s and a broker's restart 14 s on a
 * loaded machine; longer than this is no hiccup, and whoever waits shall know.
 */
const APPEND_MS = 30_000;
/** That followers have a batch. */
const REPLICATION_TIMEOUT_MS = 8_000;
const REQUEST_TIMEOUT_MS: number = REPLICATION_TIMEOUT_MS + 2_000;
/** A batch ends before it has more, and each has one record at least. */
const BATCH_BYTES: number = MAX_RECORD_BYTES;
/** Of a record beside its value: lengths, times, offsets, each some bytes. */
const RECORD_OVERHEAD_BYTES = 32;
/** What a topic must take: a batch of the largest record, or of the smallest ones. */
export const MAX_BATCH_BYTES: number = BATCH_BYTES + 4_096;
/** Kafka's sequences are positive int32. */
const SEQUENCES: number = 2 ** 31;

interface KeptRecord {
  readonly bytes: Buffer;
}

export interface PartitionAppenderOptions {
  readonly cluster: KafkaCluster;
  readonly partition: number;
  /** Of what waits. */
  readonly maxQueuedBytes: number;
  /** Gives up what is under way. */
  readonly signal: AbortSignal;
}

export class PartitionAppender {
  readonly #options: PartitionAppenderOptions;
  readonly #queue: AppendQueue<KeptRecord>;
  #pool: ConnectionPool;
  #producer: { readonly id: bigint; readonly epoch: number; sequence: number } | null = null;

  constructor(options: PartitionAppenderOptions) {
    this.#options = options;
    this.#pool = options.cluster.openPool(REQUEST_TIMEOUT_MS);
    this.#queue = new AppendQueue({
      commit: (records) => this.#commit(records),
      waitsFor: "Kafka",
      maxQueuedBytes: options.maxQueuedBytes,
    });
  }

  append(records: readonly KeptRecord[], signal: AbortSignal): Promise<void> {
    return this.#queue.append(records, signal);
  }

  /** Refuses further appends; resolves when those made are done. */
  close(): Promise<void> {
    return this.#queue.close();
  }

  async #commit(records: readonly KeptRecord[]): Promise<void> {
    const { cluster, signal } = this.#options;
    for (const batch of batchesOf(records)) {
      try {
        await cluster.attempt("append to", { forMs: APPEND_MS, signal }, () => this.#send(batch));
      } catch (error) {
        this.#producer = null;
        const broken = this.#pool;
        this.#pool = cluster.openPool(REQUEST_TIMEOUT_MS);
        await cluster.closePool(broken);
        throw error;
      }
    }
  }

  async #send(batch: readonly KeptRecord[]): Promise<void> {
    this.#producer ??= await this.#newProducer();
    const producer = this.#producer;
    try {
      await this.#produce(batch, producer);
    } catch (error) {
      if (isKafkaError(error, "MESSAGE_TOO_LARGE", "RECORD_LIST_TOO_LARGE")) {
        throw this.#topicTakesTooLittle(error);
      }
      // The broker has forgotten the id, or has lost what it acknowledged: a new one begins at 0.
      if (isKafkaError(error, ...LOST_PRODUCER)) this.#producer = await this.#newProducer();
      // Its first attempt was written, and so long ago that the broker has no offset for it.
      else if (!isKafkaError(error, "DUPLICATE_SEQUENCE_NUMBER")) throw error;
      if (this.#producer !== producer) await this.#produce(batch, this.#producer);
    }
    this.#producer.sequence = (this.#producer.sequence + batch.length) % SEQUENCES;
  }

  async #newProducer(): Promise<{ id: bigint; epoch: number; sequence: number }> {
    const connection = await this.#options.cluster.anyConnection();
    const { producerId, producerEpoch } = await initProducerIdV4.api.async(connection, null, 0);
    return { id: producerId, epoch: producerEpoch, sequence: 0 };
  }

  async #produce(
    batch: readonly KeptRecord[],
    producer: { readonly id: bigint; readonly epoch: number; readonly sequence: number },
  ): Promise<void> {
    const { cluster, partition } = this.#options;
    const { topic } = cluster.url;
    const connection = await cluster.leaderConnection(this.#pool, partition);
    await produceV9.api.async(
      connection,
      ProduceAcks.ALL,
      REPLICATION_TIMEOUT_MS,
      batch.map(({ bytes }) => ({ topic, partition, value: bytes })),
      {
        producerId: producer.id,
        producerEpoch: producer.epoch,
        sequences: new NumericMap([[`${topic}:${partition}`, producer.sequence]]),
      },
    );
  }

  #topicTakesTooLittle(cause: unknown): MusterError {
    const { shown, topic } = this.#options.cluster.url;
    return new MusterError({
      code: "unavailable",
      message: `cannot append to ${shown}: the topic takes no batches of ${MAX_BATCH_BYTES} bytes`,
      cause,
      detail: { hint: `set max.message.bytes of ${topic} to ${MAX_BATCH_BYTES} or more` },
    });
  }
}

const LOST_PRODUCER = [
  "OUT_OF_ORDER_SEQUENCE_NUMBER",
  "UNKNOWN_PRODUCER_ID",
  "INVALID_PRODUCER_EPOCH",
] as const;

function* batchesOf(records: readonly KeptRecord[]): Generator<readonly KeptRecord[]> {
  let batch: KeptRecord[] = [];
  let byteCount = 0;
  for (const record of records) {
    const recordBytes = record.bytes.byteLength + RECORD_OVERHEAD_BYTES;
    if (batch.length > 0 && byteCount + recordBytes > BATCH_BYTES) {
      yield batch;
      batch = [];
      byteCount = 0;
    }
    batch.push(record);
    byteCount += recordBytes;
  }
  if (batch.length > 0) yield batch;
}
