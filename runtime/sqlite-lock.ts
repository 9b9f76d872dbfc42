// SPDX-License-Identifier: Apache-2.0
/**
 * One process at a time owns a database. The lock is SQLite's own exclusive lock on an empty
 * neighbour file (`store.db.lock`), held for as long as a connection is open: the kernel drops it
 * when the process dies, however it dies, so that nothing is left to clean up. A file with a
 * process id in it was not chosen: after `kill -9` or a power cut the number may be another
 * process's. The database itself stays open to readers (a backup, an sqlite3 shell).
 */
import { DatabaseSync } from "node:sqlite";
import { inUse, isBusy, sqliteFailure } from "./sqlite-failure.ts";

export interface FileLock {
  release(): void;
}

/** Throws `failed_precondition` when another connection, of this process or another, has it. */
export function lockFile(options: { path: string; attempted: string }): FileLock {
  const lockPath = `${options.path}.lock`;
  let database: DatabaseSync | null = null;
  try {
    database = new DatabaseSync(lockPath, { timeout: 0 });
    database.exec("BEGIN EXCLUSIVE");
  } catch (error) {
    database?.close();
    if (isBusy(error)) throw inUse(options.attempted, options.path);
    throw sqliteFailure(error, options.attempted, lockPath);
  }
  const held = database;
  return { release: () => held.close() };
}
