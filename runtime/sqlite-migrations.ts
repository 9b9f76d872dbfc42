// SPDX-License-Identifier: Apache-2.0
/**
 * Numbered, forward-only changes of a database's shape. The number of the newest one applied is
 * SQLite's `user_version`, written in the transaction of the migration itself: a power cut leaves a
 * migration whole or not begun.
 */
import assert from "node:assert/strict";
import type { DatabaseSync } from "node:sqlite";
import { MusterError } from "../domain/errors.ts";

export interface Migration {
  /** From 1, without gaps. */
  readonly number: number;
  readonly sql: string;
}

/** Brings the database to the newest version; returns the version it had (0: it was empty). */
export function migrate(options: {
  database: DatabaseSync;
  migrations: readonly Migration[];
  path: string;
  attempted: string;
}): number {
  const { database, migrations, path, attempted } = options;
  migrations.forEach((migration, index) => assert.equal(migration.number, index + 1));
  const row = database.prepare("PRAGMA user_version").get();
  const version = Number(row?.["user_version"]);
  if (version > migrations.length) {
    throw new MusterError({
      code: "failed_precondition",
      message:
        `cannot ${attempted}: the file has schema version ${version}, ` +
        `this program knows versions up to ${migrations.length}`,
      detail: {
        file: path,
        hint: "run the newer muster that wrote it, or restore an older backup",
      },
    });
  }
  for (const migration of migrations.slice(version)) {
    const step = `BEGIN IMMEDIATE; ${migration.sql}; PRAGMA user_version = ${migration.number}`;
    try {
      database.exec(`${step}; COMMIT`);
    } catch (error) {
      if (database.isTransaction) database.exec("ROLLBACK");
      throw error;
    }
  }
  return version;
}
