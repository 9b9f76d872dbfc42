// SPDX-License-Identifier: Apache-2.0
/**
 * What takes room in the store, counted a stretch of rows at a time, table by table, so that a
 * large store is never scanned in one go while everybody waits.
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { StorePart, StoreStretch } from "../../ports/store.ts";

/** Some milliseconds of reading row headers; contents are not read to learn their length. */
const STRETCH_ROWS = 2_000;

interface Table {
  readonly name: string;
  readonly id: string;
  readonly part: string;
  readonly owner: string;
  readonly bytes: string;
}

const TABLES: readonly Table[] = [
  {
    name: "document",
    id: "rowid",
    part: "'document ' || kind",
    owner: "substr(key, 1, instr(key || '/', '/') - 1)",
    bytes: "octet_length(key) + octet_length(value)",
  },
  {
    name: "device",
    id: "ordinal",
    part: "'devices'",
    owner: "tenant",
    bytes: "octet_length(id) + octet_length(value)",
  },
  {
    name: "page",
    id: "rowid",
    part: "'page ' || kind",
    owner: "substr(owner, 1, instr(owner || '/', '/') - 1)",
    bytes: "octet_length(bytes)",
  },
  {
    name: "audit",
    id: "sequence",
    part: "'audit log'",
    owner: "tenant",
    bytes: `octet_length(actor) + octet_length(action) + octet_length(subject) +
      octet_length(reason) + octet_length(detail) + octet_length(previous_hash) +
      octet_length(hash)`,
  },
];

interface Row extends StorePart {
  readonly lastId: number;
}

export class Usage {
  readonly #statements: readonly StatementSync[];

  constructor(statements: readonly StatementSync[]) {
    this.#statements = statements;
  }

  static prepare(database: DatabaseSync): Usage {
    const statements = TABLES.map(({ name, id, part, owner, bytes }) =>
      database.prepare(
        `SELECT part, owner, count(*) AS rowCount, sum(bytes) AS contentBytes, max(id) AS lastId
         FROM (SELECT ${id} AS id, ${part} AS part, ${owner} AS owner, ${bytes} AS bytes
               FROM ${name} WHERE ${id} > ? ORDER BY ${id} LIMIT ${STRETCH_ROWS})
         GROUP BY part, owner`,
      ),
    );
    return new Usage(statements);
  }

  /** `from`: "" or what the stretch before gave. */
  measure(from: string): StoreStretch {
    const [table = 0, afterId = 0] = from === "" ? [] : from.split(":").map(Number);
    const rows = (this.#statements[table]?.all(afterId) ?? []) as unknown as Row[];
    const parts = rows.map(({ part, owner, rowCount, contentBytes }) => {
      return { part, owner, rowCount, contentBytes };
    });
    const rowCount = rows.reduce((sum, row) => sum + row.rowCount, 0);
    const lastId = rows.reduce((most, row) => Math.max(most, row.lastId), afterId);
    if (rowCount === STRETCH_ROWS) return { parts, next: `${table}:${lastId}` };
    return { parts, next: table + 1 < TABLES.length ? `${table + 1}:0` : null };
  }
}
