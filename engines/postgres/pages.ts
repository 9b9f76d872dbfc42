// SPDX-License-Identifier: Apache-2.0
/** Packed pages in PostgreSQL: one row a page, swapped by version. */
import type { ClientBase } from "pg";
import type { PageId, PageWrite, StoredPage } from "../../ports/store.ts";
import { int8Array, textArray } from "./binary-arrays.ts";
import { prepareSwap } from "./swap.ts";

const swap = prepareSwap({
  name: "page",
  keys: [
    { name: "kind", type: "text" },
    { name: "owner", type: "text" },
    { name: "number", type: "bigint" },
  ],
  counter: "version",
  content: { name: "bytes", type: "bytea" },
});

/** In the order asked for; those that do not exist are left out. */
export async function loadPages(client: ClientBase, ids: readonly PageId[]): Promise<StoredPage[]> {
  const { rows } = await client.query<StoredPage>(
    `SELECT kind, owner, number, version, bytes
     FROM unnest($1::text[], $2::text[], $3::bigint[])
       WITH ORDINALITY AS input (kind, owner, number, place)
     JOIN muster.page USING (kind, owner, number) ORDER BY place`,
    [
      textArray(ids.map(({ kind }) => kind)),
      textArray(ids.map(({ owner }) => owner)),
      int8Array(ids.map(({ number }) => number)),
    ],
  );
  // The driver's bytes lie in a buffer shared with others; owners of pages read theirs in place.
  return rows.map((row) => ({ ...row, bytes: new Uint8Array(row.bytes) }));
}

/** The first that did not match, as no deletion of a missing page does; null: all were written. */
export async function writePages(
  client: ClientBase,
  writes: readonly PageWrite[],
): Promise<PageWrite | null> {
  const swaps = writes.map(({ kind, owner, number, expectedVersion, bytes }) => {
    const expected = bytes === null && expectedVersion === 0 ? -1 : expectedVersion;
    return { keys: [kind, owner, number], expected, content: bytes };
  });
  const place = await swap(client, swaps);
  return place === null ? null : (writes[place] ?? null);
}
