// SPDX-License-Identifier: Apache-2.0
/**
 * What takes room in the store, counted a stretch of rows at a time, table by table, in the order
 * of the primary key. Contents are not read to learn their length.
 */
import type { ClientBase } from "pg";
import type { StorePart, StoreStretch } from "../../ports/store.ts";

/** Some milliseconds of reading row headers. */
const STRETCH_ROWS = 2_000;

interface Table {
  readonly name: string;
  readonly keys: readonly string[];
  /** Sorts before the first row. */
  readonly first: readonly (string | number)[];
  readonly part: string;
  readonly owner: string;
  readonly bytes: string;
}

const TABLES: readonly Table[] = [
  {
    name: "document",
    keys: ["kind", "key"],
    first: ["", ""],
    part: "'document ' || kind",
    owner: "split_part(key, '/', 1)",
    bytes: "octet_length(key) + octet_length(value)",
  },
  {
    name: "device",
    keys: ["ordinal"],
    first: [0],
    part: "'devices'",
    owner: "tenant",
    bytes: "octet_length(id) + octet_length(value)",
  },
  {
    name: "page",
    keys: ["kind", "owner", "number"],
    first: ["", "", -1],
    part: "'page ' || kind",
    owner: "split_part(owner, '/', 1)",
    bytes: "octet_length(bytes)",
  },
  {
    name: "audit",
    keys: ["sequence"],
    first: [0],
    part: "'audit log'",
    owner: "tenant",
    bytes: `octet_length(actor) + octet_length(action) + octet_length(subject) +
      octet_length(reason) + octet_length(detail) + octet_length(previous_hash) +
      octet_length(hash)`,
  },
];

interface Row {
  readonly part: string;
  readonly owner: string;
  readonly rowCount: number;
  readonly contentBytes: number;
  /** The keys of the stretch's last row. */
  readonly last: (string | number)[];
}

type Position = readonly [table: number, after: readonly (string | number)[]];

/** `from`: "" or what the stretch before gave. */
export async function measureStretch(client: ClientBase, from: string): Promise<StoreStretch> {
  const [number, after] = from === "" ? positionAt(0) : (JSON.parse(from) as Position);
  const table = TABLES[number];
  if (table === undefined) return { parts: [], next: null };
  const { rows } = await client.query<Row>(stretchQuery(table), [...after]);
  const parts = rows.map(({ last: _last, ...part }): StorePart => part);
  const rowCount = rows.reduce((sum, row) => sum + row.rowCount, 0);
  const [row] = rows;
  if (row !== undefined && rowCount === STRETCH_ROWS) {
    return { parts, next: JSON.stringify([number, row.last] satisfies Position) };
  }
  const isLast = number + 1 === TABLES.length;
  return { parts, next: isLast ? null : JSON.stringify(positionAt(number + 1)) };
}

function positionAt(number: number): Position {
  return [number, TABLES[number]?.first ?? []];
}

function stretchQuery({ name, keys, part, owner, bytes }: Table): string {
  const list = keys.join(", ");
  const places = keys.map((_, index) => `$${index + 1}`).join(", ");
  const backwards = keys.map((key) => `${key} DESC`).join(", ");
  return `
    WITH stretch AS MATERIALIZED (
      SELECT ${list}, ${part} AS part, ${owner} AS of_owner, ${bytes} AS content_bytes
      FROM muster.${name} WHERE (${list}) > (${places}) ORDER BY ${list} LIMIT ${STRETCH_ROWS}
    )
    SELECT part, of_owner AS owner, count(*) AS "rowCount",
      sum(content_bytes)::bigint AS "contentBytes",
      (SELECT json_build_array(${list}) FROM stretch ORDER BY ${backwards} LIMIT 1) AS last
    FROM stretch GROUP BY part, of_owner`;
}
