// SPDX-License-Identifier: Apache-2.0
/**
 * Notices what other processes append: a fetch from the end of every partition, which a broker
 * answers when something is there, and after 5 s at the latest. One is under way per leading broker
 * while somebody waits. What it carries is the first batch, and is not used.
 */
import {
  FetchIsolationLevels,
  fetchV13,
  ListOffsetTimestamps,
  type ConnectionPool,
} from "@platformatic/kafka";
import { isMusterError } from "../../domain/errors.ts";
import { delay } from "../../ports/clock.ts";
import { orAborted } from "../../runtime/or-aborted.ts";
import type { KafkaCluster, LeadingBroker } from "./cluster.ts";
import { isOfClient } from "./failure.ts";
import type { PartitionReader } from "./partition-reader.ts";

/** How long a change of leaders may go unnoticed; an idle cluster is asked this rarely. */
const POLL_MS = 5_000;
const REQUEST_TIMEOUT_MS: number = POLL_MS + 5_000;
const OPEN_MS = 20_000;
const ERROR_PAUSE_MS = 500;
const NO_EPOCH = -1;
const NO_FETCH_SESSION = [0, -1] as const;

export interface AppendWatchOptions {
  readonly cluster: KafkaCluster;
  readonly topicId: string;
  readonly readers: readonly PartitionReader[];
  readonly onAppend: () => void;
  /** Ends it. */
  readonly signal: AbortSignal;
}

export class AppendWatch {
  readonly #options: AppendWatchOptions;
  readonly #pool: ConnectionPool;
  /** Kafka's offset behind the last record that is known, by partition. */
  readonly #ends: bigint[] = [];
  readonly #polls = new Map<number, Promise<void>>();
  #running: Promise<void> | null = null;

  constructor(options: AppendWatchOptions) {
    this.#options = options;
    this.#pool = options.cluster.openPool(REQUEST_TIMEOUT_MS);
  }

  /** Notes where the partitions end: what is appended from now on is noticed. */
  async open(signal: AbortSignal): Promise<void> {
    const { cluster, readers } = this.#options;
    // Just after the topic was made its leaders do not know yet that they lead.
    const ends = await cluster.attempt("open", { forMs: OPEN_MS, signal }, () =>
      Promise.all(readers.map((reader) => reader.offsetAt(ListOffsetTimestamps.LATEST))),
    );
    this.#ends.push(...ends);
  }

  /** Goes on until the signal aborts. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Resolves when it has ended, after the signal aborted. */
  async ended(): Promise<void> {
    await this.#running;
  }

  async #run(): Promise<void> {
    const { cluster, onAppend, signal } = this.#options;
    while (!signal.aborted) {
      try {
        const { leaders } = await orAborted(cluster.topology(), signal);
        for (const leader of leaders) {
          if (leader === null || this.#polls.has(leader.node)) continue;
          const poll = this.#poll(leader, leaders).finally(() => this.#polls.delete(leader.node));
          poll.catch(() => undefined); // Whoever races with it hears of it.
          this.#polls.set(leader.node, poll);
        }
        await orAborted(Promise.race(this.#polls.values()), signal);
      } catch (error) {
        if (signal.aborted) return;
        // The topic is gone: whoever reads hears of it.
        if (isMusterError(error) && error.code !== "unavailable") return onAppend();
        if (!isMusterError(error) && !isOfClient(error)) throw error;
        cluster.forgetTopology();
        await delay(cluster.clock, ERROR_PAUSE_MS, signal).catch(() => undefined);
      }
    }
  }

  async #poll(leader: LeadingBroker, leaders: readonly (LeadingBroker | null)[]): Promise<void> {
    const { topicId, onAppend } = this.#options;
    const connection = await this.#pool.get(leader);
    const wanted = leaders.flatMap((other, partition) => {
      if (other?.node !== leader.node) return [];
      const fetchOffset = this.#ends[partition] ?? 0n;
      const epochs = { currentLeaderEpoch: NO_EPOCH, lastFetchedEpoch: NO_EPOCH };
      return [{ partition, fetchOffset, partitionMaxBytes: 1, ...epochs }];
    });
    const response = await fetchV13.api.async(
      connection,
      POLL_MS,
      1,
      1,
      FetchIsolationLevels.READ_UNCOMMITTED,
      ...NO_FETCH_SESSION,
      [{ topicId, partitions: wanted }],
      [],
      "",
    );
    let hasGrown = false;
    for (const { partitionIndex, highWatermark } of response.responses[0]?.partitions ?? []) {
      if (highWatermark <= (this.#ends[partitionIndex] ?? 0n)) continue;
      this.#ends[partitionIndex] = highWatermark;
      hasGrown = true;
    }
    if (hasGrown) onAppend();
  }
}
