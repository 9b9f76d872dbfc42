// SPDX-License-Identifier: Apache-2.0
/**
 * The durable road of reports from gateways to ingest: ordered per partition, replayable. What
 * `append` returned for survives `kill -9` and a power cut; a gateway acknowledges a device's
 * report after that and not before. Consumers keep their offset in the Store, in the same commit as
 * the effect, so that each record takes effect once.
 *
 * After a failed append some of its records may be there: of each partition a beginning of its
 * part, in order. Who appends them again may have them twice, so that consumers fold duplicates;
 * ingest does, by the rollout, position, generation and sequence of a report.
 *
 * Limits: 1 MiB a record, 1,000 records an append; partitions are 0…count−1, fixed at creation.
 */
import type { FileSpace } from "./file-space.ts";

export const MAX_RECORD_BYTES: number = 1 << 20;
export const MAX_APPEND_RECORDS = 1_000;

export interface EventRecord {
  readonly partition: number;
  /** From 1, grows by one within a partition. */
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/**
 * Every method throws MusterError: `no_space`, `corrupt`, `unavailable` (its server is away: it
 * heals by itself), `too_large`.
 */
export interface EventLog {
  /** Another log has another: offsets that a consumer kept are of this one only. */
  readonly id: string;
  readonly partitionCount: number;

  /** All of it is durable when it resolves. Appends of one caller keep their order. */
  append(
    records: readonly { partition: number; bytes: Uint8Array }[],
    options: { signal: AbortSignal },
  ): Promise<void>;

  /**
   * Records of a partition after `afterOffset`, in order, at most `limit` (≤ 1,000); of what was
   * trimmed none. An offset that the log never gave says that it lost records: an engine that can
   * tell throws `corrupt`.
   */
  read(
    partition: number,
    options: { afterOffset: number; limit: number; signal: AbortSignal },
  ): Promise<readonly EventRecord[]>;

  /** Resolves when an append may have happened since the last call, or when the signal aborts. */
  waitForAppend(options: { signal: AbortSignal }): Promise<void>;

  /** Forgets records up to and including `offset`. */
  trim(partition: number, offset: number, options: { signal: AbortSignal }): Promise<void>;

  /** null: on a server's disk, not in the data folder. */
  space(options: { signal: AbortSignal }): Promise<FileSpace | null>;

  close(): Promise<void>;
}
