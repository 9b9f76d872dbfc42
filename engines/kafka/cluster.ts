// SPDX-License-Identifier: Apache-2.0
/**
 * The brokers, and which of them leads which partition of the topic. Everything the event log does
 * is one request to one leader, tried again here, and only here, until its time is over: the
 * client's own retries know no deadline, and sends that span partitions get stuck when a leader
 * dies. Requests are of one version each, those of Kafka 3.1, so that nothing is negotiated.
 */
import { ConnectionPool, metadataV12, ResponseError, type Connection } from "@platformatic/kafka";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import { orAborted } from "../../runtime/or-aborted.ts";
import type { ConnectionSettings } from "./connection-settings.ts";
import { isOfClient, isOfNetwork, isTransient, sentenceOf } from "./failure.ts";
import type { KafkaBroker, KafkaLogUrl } from "./log-url.ts";

/** As a broker on another continent under load; a listener that drops packets ends here. */
const CONNECT_TIMEOUT_MS = 3_000;
const METADATA_TIMEOUT_MS = 5_000;
/** An election takes some hundred milliseconds; brokers do not notice this often a question. */
const RETRY_PAUSE_MS = 200;

export interface Topology {
  /** Of this making of the topic: one that is deleted and made again has another. */
  readonly topicId: string;
  /** By partition; null while there is none. */
  readonly leaders: readonly (LeadingBroker | null)[];
  /** Least copies of a partition. */
  readonly replication: number;
}

export interface LeadingBroker extends KafkaBroker {
  readonly node: number;
}

export interface KafkaClusterOptions {
  readonly url: KafkaLogUrl;
  readonly settings: ConnectionSettings;
  readonly clock: Clock;
}

export class KafkaCluster {
  readonly url: KafkaLogUrl;
  readonly clock: Clock;
  readonly #settings: ConnectionSettings;
  readonly #pools = new Set<ConnectionPool>();
  readonly #control: ConnectionPool;
  #known: readonly KafkaBroker[];
  #topology: Topology | null = null;
  #refreshing: Promise<Topology> | null = null;
  #expectedTopicId: string | null = null;

  constructor(options: KafkaClusterOptions) {
    this.url = options.url;
    this.clock = options.clock;
    this.#settings = options.settings;
    this.#known = options.url.brokers;
    this.#control = this.openPool(METADATA_TIMEOUT_MS);
  }

  /** A connection to each broker that is asked through it; requests on one wait for each other. */
  openPool(requestTimeoutMs: number): ConnectionPool {
    const pool = new ConnectionPool("muster", {
      ...this.#settings,
      connectTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: requestTimeoutMs,
    });
    // Whoever waits for an answer is told; an error that nobody listens to would end the process.
    pool.on("connecting", ({ connection }) => connection.on("error", () => {}));
    this.#pools.add(pool);
    return pool;
  }

  async closePool(pool: ConnectionPool): Promise<void> {
    this.#pools.delete(pool);
    await pool.close().catch(() => undefined); // A connection that was broken is closed.
  }

  async close(): Promise<void> {
    await Promise.all(Array.from(this.#pools, (pool) => this.closePool(pool)));
  }

  /** Any broker, for what all of them answer. */
  async anyConnection(): Promise<Connection> {
    return await this.#tryEach((connection) => Promise.resolve(connection));
  }

  /** To the partition's leader. */
  async leaderConnection(pool: ConnectionPool, partition: number): Promise<Connection> {
    const leader = (await this.topology()).leaders[partition];
    if (leader !== null && leader !== undefined) return await pool.get(leader);
    throw new MusterError({
      code: "unavailable",
      message: `partition ${partition} of ${this.url.shown} has no leader`,
    });
  }

  topology(): Promise<Topology> {
    if (this.#topology !== null) return Promise.resolve(this.#topology);
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  /** From now on another making of the topic is `corrupt`: its records are gone. */
  expectTopic(topicId: string): void {
    this.#expectedTopicId = topicId;
  }

  /** Leaders are asked for anew before the next request. */
  forgetTopology(): void {
    this.#topology = null;
  }

  /**
   * Tries until it succeeds or `forMs` are over: then `unavailable`. Throws the signal's reason
   * when that aborts first; the request may still take effect.
   */
  async attempt<Value>(
    what: string,
    options: { forMs: number; signal: AbortSignal },
    action: () => Promise<Value>,
  ): Promise<Value> {
    const { forMs, signal } = options;
    const untilMs = this.clock.monotonicMs() + forMs;
    for (;;) {
      signal.throwIfAborted();
      try {
        return await orAborted(action(), signal);
      } catch (error) {
        signal.throwIfAborted();
        this.forgetTopology();
        const isOver = this.clock.monotonicMs() + RETRY_PAUSE_MS > untilMs;
        if (isOver || !isWorthAnother(error)) throw this.#failure(what, error);
      }
      await delay(this.clock, RETRY_PAUSE_MS, signal);
    }
  }

  #failure(what: string, error: unknown): unknown {
    if (isMusterError(error) && error.code !== "unavailable") return error;
    if (!isMusterError(error) && !isOfClient(error)) return error;
    return new MusterError({
      code: "unavailable",
      message: `cannot ${what} ${this.url.shown}: ${sentenceOf(error)}`,
      cause: error,
      detail: { hint: "check that Kafka runs and can be reached; Muster goes on by itself" },
    });
  }

  async #refresh(): Promise<Topology> {
    const { topic } = this.url;
    const response = await this.#tryEach(async (connection) => {
      try {
        return await metadataV12.api.async(connection, [topic], false, false);
      } catch (error) {
        // A partition without a leader is an error of that partition, not of the others.
        const { response: partial } = error as { response?: metadataV12.MetadataResponse };
        if (error instanceof ResponseError && partial?.topics[0]?.errorCode === 0) return partial;
        throw error;
      }
    });
    const brokers = new Map(response.brokers.map((broker) => [broker.nodeId, broker]));
    if (brokers.size > 0) this.#known = [...brokers.values()];
    const [found] = response.topics;
    const partitions = (found?.partitions ?? []).toSorted(
      (a, b) => a.partitionIndex - b.partitionIndex,
    );
    const topicId = found?.topicId ?? "";
    if (this.#expectedTopicId !== null && this.#expectedTopicId !== topicId) {
      throw new MusterError({
        code: "corrupt",
        message: `${this.url.shown} was deleted and made again: its records are gone`,
        detail: { hint: "start the center again: it goes on with the new topic" },
      });
    }
    this.#topology = {
      topicId,
      leaders: partitions.map(({ leaderId }) => {
        const broker = brokers.get(leaderId);
        return broker === undefined ? null : { ...broker, node: leaderId };
      }),
      replication: Math.min(...partitions.map(({ replicaNodes }) => replicaNodes.length)),
    };
    return this.#topology;
  }

  /** The first answer. What did not answer is asked last from then on. */
  async #tryEach<Value>(ask: (connection: Connection) => Promise<Value>): Promise<Value> {
    const named = [...this.#known, ...this.url.brokers];
    const brokers = new Map(named.map(({ host, port }) => [`${host}:${port}`, { host, port }]));
    const errors: Error[] = [];
    for (const broker of brokers.values()) {
      try {
        return await ask(await this.#control.get(broker));
      } catch (error) {
        if (!isOfNetwork(error)) throw error;
        errors.push(error as Error);
        this.#known = [...brokers.values()].filter((other) => other !== broker).concat(broker);
      }
    }
    if (errors.length === 1) throw errors[0];
    throw new MusterError({
      code: "unavailable",
      message: [...new Set(errors.map(sentenceOf))].join("; "),
      cause: errors[0],
    });
  }
}

function isWorthAnother(error: unknown): boolean {
  return isMusterError(error) ? error.code === "unavailable" : isTransient(error);
}
