// SPDX-License-Identifier: Apache-2.0
/**
 * A SQLite database of ours: one file, one owner, opened with care.
 *
 * - Durable: WAL with `synchronous=FULL`, so a commit that returned is on the disk. NORMAL would
 *   sync only at checkpoints and lose the last commits in a power cut; FULL costs one sync a
 *   commit: about 6,000 a second instead of 34,000 with one row each, nothing measurable from
 *   1,000 rows a commit on.
 * - Whole: a new database is made beside its place and renamed into it, so an empty or half-made
 *   file there is damage, and is refused. A file that was not closed properly, or that is small
 *   enough for it not to be felt, is checked before use.
 * - Ours: other programs' databases, newer schemas and files in use by another process are refused
 *   before anything is written.
 *
 * After a disk error nobody knows what reached the disk (a failed fsync may drop the pages it
 * failed on), so the connection refuses all further work until the file is opened again.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, renameSync } from "node:fs";
import { rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { MusterError } from "../domain/errors.ts";
import type { FileSpace } from "../ports/file-space.ts";
import { faultPoint } from "./faults.ts";
import { fileFailure } from "./file-failure.ts";
import { damagedFile, isDiskError, sqliteFailure } from "./sqlite-failure.ts";
import { lockFile } from "./sqlite-lock.ts";
import type { FileLock } from "./sqlite-lock.ts";
import { migrate } from "./sqlite-migrations.ts";
import type { Migration } from "./sqlite-migrations.ts";

/** Checking reads the whole file, about a second a gigabyte: not worth it at every clean start. */
const ALWAYS_CHECKED_BYTES = 64 * 2 ** 20;
/**
 * Memory for pages of the file. What is not in it is in the system's own cache of the file: eight
 * times as much was measured with a rollout to a million devices and costs 37 MB, twice as many as
 * it says, for nothing that could be seen.
 */
const CACHE_KIB = 2 * 1_024;
/**
 * The WAL is moved into the file when it has so many pages (16 MiB). Commits of a rollout write the
 * same pages again and again: of these only the newest is moved. Four times as often (SQLite's
 * default) was measured to write a fifth more; four times as rarely holds up others for longer.
 */
const CHECKPOINT_PAGES = 4_096;
/** A big commit may grow the WAL; it is cut back to this when it starts over. */
const WAL_KEPT_BYTES = 64 * 2 ** 20;
const PAGE_BYTES = 4_096;
/** How long a commit waits for a reader of another program (a checkpoint of a backup). */
const BUSY_TIMEOUT_MS = 5_000;

export interface SqliteFileOptions {
  /** The database file; `:memory:` for one without a file, a lock or durability (simulation). */
  readonly path: string;
  /** What it is, for messages: `store`. */
  readonly what: string;
  /** SQLite's application_id: marks the file as ours. */
  readonly applicationId: number;
  readonly migrations: readonly Migration[];
  /** The file never grows beyond it (`no_space`); default: as far as the disk goes. */
  readonly maxFileBytes?: number;
}

/** What opening found, for the log. */
export interface SqliteFileFacts {
  /** The last process did not close it: its WAL was replayed and the file checked. */
  readonly recovered: boolean;
  /** The schema version it had; 0 for a new file. */
  readonly migratedFrom: number;
  readonly migratedTo: number;
}

/** What `write` keeps: false rolls everything back and returns the result all the same. */
export interface WriteOutcome<T> {
  readonly keep: boolean;
  readonly result: T;
}

/**
 * Opens the file or makes it. Throws `corrupt`, `failed_precondition` (in use, newer, foreign, not
 * writable) or `no_space`.
 */
export function openSqliteFile(options: SqliteFileOptions): SqliteFile {
  const attempted = `open the ${options.what}`;
  if (options.path === ":memory:") return connect(options, { lock: null, unclean: false });
  try {
    mkdirSync(dirname(options.path), { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileFailure(error, attempted, dirname(options.path));
  }
  const lock = lockFile({ path: options.path, attempted });
  try {
    const walBytes = statSync(`${options.path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    const fileBytes = statSync(options.path, { throwIfNoEntry: false })?.size ?? null;
    if (fileBytes === null && walBytes > 0) {
      const wrong = "the file is missing but its -wal file is there";
      throw damagedFile({ attempted, path: options.path, wrong });
    }
    if (fileBytes === 0) {
      throw damagedFile({ attempted, path: options.path, wrong: "the file is empty" });
    }
    if (fileBytes === null) create(options);
    return connect(options, { lock, unclean: walBytes > 0 });
  } catch (error) {
    lock.release();
    throw fileFailure(error, attempted, options.path);
  }
}

export class SqliteFile {
  readonly path: string;
  readonly database: DatabaseSync;
  readonly facts: SqliteFileFacts;
  readonly #what: string;
  readonly #lock: FileLock | null;
  readonly #maxFileBytes: number | null;
  #diskError: MusterError | null = null;

  constructor(options: {
    path: string;
    what: string;
    database: DatabaseSync;
    facts: SqliteFileFacts;
    lock: FileLock | null;
    maxFileBytes: number | null;
  }) {
    this.path = options.path;
    this.database = options.database;
    this.facts = options.facts;
    this.#what = options.what;
    this.#lock = options.lock;
    this.#maxFileBytes = options.maxFileBytes;
  }

  /** Runs a reading action; `attempted` completes "cannot …". */
  read<T>(attempted: string, action: () => T): T {
    if (this.#diskError !== null) throw this.#diskError;
    try {
      return action();
    } catch (error) {
      throw this.#failure(error, attempted);
    }
  }

  /**
   * Runs an action in one transaction: durable when it returns, undone when it throws. Its fault
   * points are `WHAT.commit.before` and `WHAT.commit.after`.
   */
  write<T>(attempted: string, action: () => WriteOutcome<T>): T {
    return this.read(attempted, () => {
      this.database.exec("BEGIN IMMEDIATE");
      try {
        const { keep, result } = action();
        faultPoint(`${this.#what}.commit.before`);
        this.database.exec(keep ? "COMMIT" : "ROLLBACK");
        faultPoint(`${this.#what}.commit.after`);
        return result;
      } catch (error) {
        // After a full disk or a disk error SQLite may have rolled back by itself.
        if (this.database.isTransaction) this.database.exec("ROLLBACK");
        throw error;
      }
    });
  }

  space(): FileSpace {
    return this.read("measure the database", () => {
      const fact = (name: string): number =>
        Number(this.database.prepare(`PRAGMA ${name}`).get()?.[name] ?? 0);
      const pageBytes = fact("page_size");
      return {
        fileBytes: fact("page_count") * pageBytes,
        reusableBytes: fact("freelist_count") * pageBytes,
        limitBytes: this.#maxFileBytes,
      };
    });
  }

  /** Moves the WAL into the file, closes it and lets others have it. */
  close(): void {
    try {
      this.database.close();
    } catch (error) {
      throw this.#failure(error, "close the database");
    } finally {
      this.#lock?.release();
    }
  }

  #failure(error: unknown, attempted: string): unknown {
    const failure = sqliteFailure(error, attempted, this.path);
    if (isDiskError(error)) this.#diskError = failure as MusterError;
    return failure;
  }
}

/** Makes the file beside its place and moves it there whole. */
function create(options: SqliteFileOptions): void {
  const newPath = `${options.path}.new`;
  for (const suffix of ["", "-wal", "-shm", "-journal"]) {
    rmSync(`${newPath}${suffix}`, { force: true });
  }
  closeSync(openSync(newPath, "wx", 0o600)); // SQLite gives -wal and -shm the mode of the file.
  connect({ ...options, path: newPath }, { lock: null, unclean: false }).close();
  renameSync(newPath, options.path);
  if (process.platform === "win32") return; // It has no way to sync a folder.
  const folder = openSync(dirname(options.path), "r");
  fsyncSync(folder);
  closeSync(folder);
}

function connect(
  options: SqliteFileOptions,
  state: { lock: FileLock | null; unclean: boolean },
): SqliteFile {
  const { path, applicationId, migrations } = options;
  const attempted = `open the ${options.what}`;
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(path, { timeout: BUSY_TIMEOUT_MS });
    const fileBytes = existsSync(path) ? statSync(path).size : 0;
    if (fileBytes > 0) {
      checkOwner(database, options, attempted);
      if (state.unclean || fileBytes <= ALWAYS_CHECKED_BYTES) check(database, path, attempted);
    }
    database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL`);
    database.exec(`PRAGMA cache_size = -${CACHE_KIB}`);
    database.exec(`PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}`);
    database.exec(`PRAGMA journal_size_limit = ${WAL_KEPT_BYTES}`);
    database.exec("PRAGMA trusted_schema = OFF");
    if (fileBytes === 0) database.exec(`PRAGMA application_id = ${applicationId}`);
    if (options.maxFileBytes !== undefined) {
      database.exec(`PRAGMA max_page_count = ${Math.floor(options.maxFileBytes / PAGE_BYTES)}`);
    }
    const migratedFrom = migrate({ database, migrations, path, attempted });
    return new SqliteFile({
      path,
      what: options.what,
      database,
      facts: { recovered: state.unclean, migratedFrom, migratedTo: migrations.length },
      lock: state.lock,
      maxFileBytes: options.maxFileBytes ?? null,
    });
  } catch (error) {
    database?.close();
    throw sqliteFailure(error, attempted, path);
  }
}

/** Reads the header only: a damaged file or another program's shows here, before any write. */
function checkOwner(database: DatabaseSync, options: SqliteFileOptions, attempted: string): void {
  const row = database.prepare("PRAGMA application_id").get();
  if (row?.["application_id"] === options.applicationId) return;
  throw new MusterError({
    code: "failed_precondition",
    message: `cannot ${attempted}: the file is a database of another program`,
    detail: { file: options.path, hint: "choose another data folder" },
  });
}

function check(database: DatabaseSync, path: string, attempted: string): void {
  const finding = database.prepare("PRAGMA quick_check(1)").get()?.["quick_check"];
  if (finding === "ok") return;
  throw damagedFile({ attempted, path, wrong: "the file is damaged", cause: finding });
}
