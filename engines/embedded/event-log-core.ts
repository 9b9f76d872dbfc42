// SPDX-License-Identifier: Apache-2.0
/**
 * The event log over a SQLite file of its own, synchronous: an append is one transaction. It shares
 * no file with the store, so that a flood of reports does not wait behind a commit, nor a commit
 * behind it.
 */
import assert from "node:assert/strict";
import type { StatementSync } from "node:sqlite";
import { MusterError } from "../../domain/errors.ts";
import type { EventRecord } from "../../ports/event-log.ts";
import type { FileSpace } from "../../ports/file-space.ts";
import { openSqliteFile } from "../../runtime/sqlite-file.ts";
import type { SqliteFile, SqliteFileFacts } from "../../runtime/sqlite-file.ts";
import { EVENT_LOG_MIGRATIONS } from "./migrations/all.ts";

/** "MSTE": Muster events. Marks the file as ours for good. */
const EVENT_LOG_APPLICATION_ID = 0x4d_53_54_45;
/**
 * A gateway's batch becomes one record a partition, each written, read and unpacked on its own, and
 * of this engine one process reads all: of 16 partitions each record held 60 reports of 1,000.
 */
export const DEFAULT_PARTITION_COUNT = 4;
/** So that partition × 2^44 + offset stays a safe integer. */
const MAX_PARTITION_COUNT = 256;
/** 17 million million records a partition: 500,000 a second for a year. */
const OFFSETS_A_PARTITION: number = 2 ** 44;
/** What one read may carry: 1,000 records of 1 MiB would not fit in the process. */
const MAX_READ_BYTES: number = 16 * 2 ** 20;
/** What one step of trimming deletes: some 20 ms, during which appends wait. */
const TRIM_STEP_RECORDS = 10_000;

export interface AppendedRecord {
  readonly partition: number;
  readonly bytes: Uint8Array;
}

/** The methods of the core, by the names under which they cross threads. */
export interface EventLogCalls {
  append(input: { records: readonly AppendedRecord[] }): void;
  read(input: { partition: number; afterOffset: number; limit: number }): EventRecord[];
  /** Deletes a bounded number; true when nothing up to `offset` is left. */
  trimStep(input: { partition: number; offset: number }): boolean;
  space(input: object): FileSpace;
}

export interface EventLogCoreOptions {
  /** The database file, or `:memory:`. */
  readonly path: string;
  /** 1…256, fixed at creation. Default: 4 for a new file, else what the file has. */
  readonly partitionCount?: number;
  /** `no_space` beyond it; default: as far as the disk goes. */
  readonly maxFileBytes?: number;
}

/** What opening found. */
export interface EventLogFacts extends SqliteFileFacts {
  readonly partitionCount: number;
}

interface Statements {
  readonly insert: StatementSync;
  readonly setLastOffset: StatementSync;
  readonly read: StatementSync;
  readonly first: StatementSync;
  readonly trim: StatementSync;
}

/** Opens or creates; throws what `openSqliteFile` throws and refuses another partition count. */
export function openEventLogCore(options: EventLogCoreOptions): EventLogCore {
  const file = openSqliteFile({
    ...options,
    what: "event-log",
    applicationId: EVENT_LOG_APPLICATION_ID,
    migrations: EVENT_LOG_MIGRATIONS,
  });
  try {
    const lastOffsets = openPartitions(file, options.partitionCount ?? null);
    const { database } = file;
    const statements: Statements = {
      insert: database.prepare("INSERT INTO record (id, bytes) VALUES (?, ?)"),
      setLastOffset: database.prepare("UPDATE partition SET last_offset = ? WHERE number = ?"),
      read: database.prepare(
        "SELECT id, bytes FROM record WHERE id > ? AND id < ? ORDER BY id LIMIT ?",
      ),
      first: database.prepare("SELECT min(id) AS id FROM record WHERE id > ? AND id < ?"),
      trim: database.prepare("DELETE FROM record WHERE id > ? AND id <= ?"),
    };
    return new EventLogCore({ file, statements, lastOffsets });
  } catch (error) {
    file.close();
    throw error;
  }
}

export class EventLogCore implements EventLogCalls {
  readonly #file: SqliteFile;
  readonly #statements: Statements;
  /** By partition; as on the disk. */
  #lastOffsets: readonly number[];

  constructor(options: {
    file: SqliteFile;
    statements: Statements;
    lastOffsets: readonly number[];
  }) {
    this.#file = options.file;
    this.#statements = options.statements;
    this.#lastOffsets = options.lastOffsets;
  }

  get facts(): EventLogFacts {
    return { ...this.#file.facts, partitionCount: this.#lastOffsets.length };
  }

  append(input: { records: readonly AppendedRecord[] }): void {
    const lastOffsets = [...this.#lastOffsets];
    const touched = new Set<number>();
    this.#file.write("append to the event log", () => {
      for (const { partition, bytes } of input.records) {
        const offset = (lastOffsets[partition] ?? 0) + 1;
        assert(offset < OFFSETS_A_PARTITION, `partition ${partition} has no offsets left`);
        lastOffsets[partition] = offset;
        touched.add(partition);
        this.#statements.insert.run(recordId(partition, offset), bytes);
      }
      for (const partition of touched) {
        this.#statements.setLastOffset.run(lastOffsets[partition] ?? 0, partition);
      }
      return { keep: true, result: null };
    });
    this.#lastOffsets = lastOffsets;
  }

  read(input: { partition: number; afterOffset: number; limit: number }): EventRecord[] {
    const { partition, afterOffset, limit } = input;
    return this.#file.read("read the event log", () => {
      const records: EventRecord[] = [];
      let byteCount = 0;
      const after = recordId(partition, Math.min(afterOffset, OFFSETS_A_PARTITION - 1));
      for (const row of this.#statements.read.iterate(after, recordId(partition + 1, 0), limit)) {
        const { id, bytes } = row as unknown as { id: number; bytes: Uint8Array };
        byteCount += bytes.byteLength;
        if (byteCount > MAX_READ_BYTES && records.length > 0) break;
        records.push({ partition, offset: id - recordId(partition, 0), bytes });
      }
      return records;
    });
  }

  trimStep(input: { partition: number; offset: number }): boolean {
    const { partition, offset } = input;
    return this.#file.write("trim the event log", () => {
      const base = recordId(partition, 0);
      const end = recordId(partition + 1, 0);
      const first = this.#statements.first.get(base, end)?.["id"] as number | null;
      const last = Math.min(base + offset, end - 1);
      if (first === null || first > last) return { keep: false, result: true };
      const stepLast = Math.min(last, first + TRIM_STEP_RECORDS - 1);
      this.#statements.trim.run(base, stepLast);
      return { keep: true, result: stepLast === last };
    });
  }

  space(): FileSpace {
    return this.#file.space();
  }

  close(): void {
    this.#file.close();
  }
}

function recordId(partition: number, offset: number): number {
  return partition * OFFSETS_A_PARTITION + offset;
}

/** The last offset of each partition; makes the partitions in a new file. */
function openPartitions(file: SqliteFile, wanted: number | null): number[] {
  const attempted = "open the event log";
  const stored = file.read(attempted, () =>
    file.database.prepare("SELECT last_offset FROM partition ORDER BY number").all(),
  );
  if (stored.length === 0) return makePartitions(file, wanted ?? DEFAULT_PARTITION_COUNT);
  if (wanted !== null && wanted !== stored.length) {
    throw new MusterError({
      code: "failed_precondition",
      message:
        `cannot ${attempted}: it has ${stored.length} partitions, not ${wanted}; ` +
        `their number is fixed when the log is made`,
      detail: { file: file.path, hint: "set the number back, or move the drained log away" },
    });
  }
  return stored.map((row) => Number(row["last_offset"]));
}

function makePartitions(file: SqliteFile, count: number): number[] {
  const valid = Number.isInteger(count) && count >= 1 && count <= MAX_PARTITION_COUNT;
  assert(valid, `an event log has 1 to ${MAX_PARTITION_COUNT} partitions, not ${count}`);
  const insert = file.database.prepare("INSERT INTO partition (number, last_offset) VALUES (?, 0)");
  return file.write("open the event log", () => {
    for (let number = 0; number < count; number += 1) insert.run(number);
    return { keep: true, result: Array.from({ length: count }, () => 0) };
  });
}
