// SPDX-License-Identifier: Apache-2.0
/** Documents in SQLite: compare-and-swap by revision, lists in key order (of UTF-8 bytes). */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { DocumentKind } from "../../ports/store.ts";
import { prefixEnd } from "../../ports/prefix-end.ts";
import type {
  DocumentListInput,
  DocumentRow,
  DocumentRowWrite,
} from "../../runtime/store-calls.ts";

/** SQLite orders every blob after every text. */
const AFTER_ALL_TEXT = new Uint8Array(0);

interface Statements {
  readonly get: StatementSync;
  readonly list: StatementSync;
  readonly insert: StatementSync;
  readonly update: StatementSync;
  readonly delete: StatementSync;
}

export class Documents {
  readonly #statements: Statements;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  static prepare(database: DatabaseSync): Documents {
    return new Documents({
      get: database.prepare(
        "SELECT kind, key, revision, value FROM document WHERE kind = ? AND key = ?",
      ),
      list: database.prepare(
        `SELECT kind, key, revision, value FROM document
         WHERE kind = ? AND key >= ? AND key < ? ORDER BY key LIMIT ?`,
      ),
      insert: database.prepare(
        `INSERT INTO document (kind, key, revision, value) VALUES (?, ?, 1, ?)
         ON CONFLICT DO NOTHING`,
      ),
      update: database.prepare(
        `UPDATE document SET revision = revision + 1, value = ?
         WHERE kind = ? AND key = ? AND revision = ?`,
      ),
      delete: database.prepare("DELETE FROM document WHERE kind = ? AND key = ? AND revision = ?"),
    });
  }

  get(kind: DocumentKind, key: string): DocumentRow | null {
    return (this.#statements.get.get(kind, key) as DocumentRow | undefined) ?? null;
  }

  list(input: DocumentListInput): DocumentRow[] {
    const { kind, prefix, after, limit } = input;
    // One bound at each end, so that SQLite walks this range of its index and nothing else.
    const start = after === null ? prefix : laterOf(prefix, `${after}\0`);
    const end = prefixEnd(prefix) ?? AFTER_ALL_TEXT;
    const rows = this.#statements.list.all(kind, start, end, limit);
    return rows as unknown as DocumentRow[];
  }

  /** False when the stored revision is another. Deleting what must not exist asserts just that. */
  write(write: DocumentRowWrite): boolean {
    const { kind, key, expectedRevision, value } = write;
    const statements = this.#statements;
    if (value === null && expectedRevision === 0) return this.get(kind, key) === null;
    if (value === null) return statements.delete.run(kind, key, expectedRevision).changes === 1;
    if (expectedRevision === 0) return statements.insert.run(kind, key, value).changes === 1;
    return statements.update.run(value, kind, key, expectedRevision).changes === 1;
  }
}

/** In SQLite's order, that of UTF-8 bytes (JavaScript's is another beyond U+D7FF). */
function laterOf(left: string, right: string): string {
  return Buffer.compare(Buffer.from(left), Buffer.from(right)) < 0 ? right : left;
}
