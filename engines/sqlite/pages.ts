// SPDX-License-Identifier: Apache-2.0
/** Packed pages in SQLite: one row a page, swapped by version. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { PageId, PageWrite, StoredPage } from "../../ports/store.ts";

interface Statements {
  readonly get: StatementSync;
  readonly insert: StatementSync;
  readonly update: StatementSync;
  readonly remove: StatementSync;
}

export class Pages {
  readonly #statements: Statements;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  static prepare(database: DatabaseSync): Pages {
    return new Pages({
      get: database.prepare(
        `SELECT kind, owner, number, version, bytes FROM page
         WHERE kind = ? AND owner = ? AND number = ?`,
      ),
      insert: database.prepare(
        `INSERT INTO page (kind, owner, number, version, bytes) VALUES (?, ?, ?, 1, ?)
         ON CONFLICT DO NOTHING`,
      ),
      update: database.prepare(
        `UPDATE page SET version = version + 1, bytes = ?
         WHERE kind = ? AND owner = ? AND number = ? AND version = ?`,
      ),
      remove: database.prepare(
        `DELETE FROM page WHERE kind = ? AND owner = ? AND number = ? AND version = ?`,
      ),
    });
  }

  /** In the order asked for; those that do not exist are left out. */
  load(ids: readonly PageId[]): StoredPage[] {
    const pages: StoredPage[] = [];
    for (const { kind, owner, number } of ids) {
      const row = this.#statements.get.get(kind, owner, number);
      if (row !== undefined) pages.push(row as unknown as StoredPage);
    }
    return pages;
  }

  /** False when the stored version is another. */
  write(write: PageWrite): boolean {
    const { kind, owner, number, expectedVersion, bytes } = write;
    const { insert, update, remove } = this.#statements;
    if (bytes === null) return remove.run(kind, owner, number, expectedVersion).changes === 1;
    if (expectedVersion === 0) return insert.run(kind, owner, number, bytes).changes === 1;
    return update.run(bytes, kind, owner, number, expectedVersion).changes === 1;
  }
}
