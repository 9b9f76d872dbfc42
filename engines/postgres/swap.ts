// SPDX-License-Identifier: Apache-2.0
/**
 * Compare-and-swap of a whole batch in one statement, the same for documents, devices and pages:
 * rows that must be new are inserted, others updated or deleted on the revision that they were
 * decided on, and the first write that found something else is named.
 *
 * Within a statement every row is touched in the order of its keys, so that two commits that write
 * the same rows wait for one another instead of in a circle. A batch therefore holds no key twice:
 * what writes a row twice in one commit (a page deleted and made anew) is two batches.
 */
import type { ClientBase } from "pg";
import { batchesOf } from "./batches.ts";
import { bytesArray, int8Array, textArray } from "./binary-arrays.ts";

type KeyType = "text" | "bigint";

export interface SwapTable {
  readonly name: string;
  /** In the order of the primary or a unique key. */
  readonly keys: readonly { readonly name: string; readonly type: KeyType }[];
  /** The column that counts writes. */
  readonly counter: string;
  readonly content: { readonly name: string; readonly type: "text" | "bytea" };
}

export interface Swap {
  readonly keys: readonly (string | number)[];
  /** 0: must not exist. Below 0: matches nothing. */
  readonly expected: number;
  /** null deletes; with `expected` 0 it asserts that there is none. */
  readonly content: string | Uint8Array | null;
}

/** The index of the first write that did not match; null when all were written. */
export type WriteSwaps = (client: ClientBase, swaps: readonly Swap[]) => Promise<number | null>;

export function prepareSwap(table: SwapTable): WriteSwaps {
  const text = swapStatement(table);
  const cleanup = absentStatement(table);
  return async (client, swaps) => {
    let begin = 0;
    for (const batch of batchesOf(swaps, { nameOf, lengthOf })) {
      const keys = keyParameters(table, batch);
      const content = contentParameter(table, batch);
      const expected = int8Array(batch.map((swap) => swap.expected));
      const { rows } = await client.query<{ place: number | null }>(text, [
        ...keys,
        expected,
        content,
      ]);
      const place = rows[0]?.place ?? null;
      if (place !== null) return begin + place - 1;
      const absent = batch.filter((swap) => swap.expected === 0 && swap.content === null);
      // They were inserted, so that nobody else makes them before this commit is through.
      if (absent.length > 0) await client.query(cleanup, keyParameters(table, absent));
      begin += batch.length;
    }
    return null;
  };
}

function nameOf({ keys }: Swap): string {
  return JSON.stringify(keys);
}

function lengthOf({ content }: Swap): number {
  return content?.length ?? 0;
}

function keyParameters(table: SwapTable, batch: readonly Swap[]): Buffer[] {
  return table.keys.map(({ type }, index) => {
    const values = batch.map(({ keys }) => keys[index]);
    return type === "text" ? textArray(values as string[]) : int8Array(values as number[]);
  });
}

function contentParameter(table: SwapTable, batch: readonly Swap[]): Buffer {
  const contents = batch.map(({ content }) => content);
  return table.content.type === "text"
    ? textArray(contents as (string | null)[])
    : bytesArray(contents as (Uint8Array | null)[]);
}

function swapStatement({ name, keys, counter, content }: SwapTable): string {
  const names = keys.map((key) => key.name);
  const list = names.join(", ");
  const arrays = [
    ...keys.map((key, index) => `$${index + 1}::${key.type}[]`),
    `$${keys.length + 1}::bigint[]`,
    `$${keys.length + 2}::${content.type}[]`,
  ].join(", ");
  const sameKeys = names.map((key) => `stored.${key} = input.${key}`).join(" AND ");
  const isStored = `${sameKeys} AND stored.${counter} = input.expected`;
  const storedKeys = names.map((key) => `stored.${key}`).join(", ");
  return `
    WITH input AS MATERIALIZED (
      SELECT * FROM unnest(${arrays})
        WITH ORDINALITY AS input (${list}, expected, content, place)
    ), held AS MATERIALIZED (
      SELECT ${list} FROM input JOIN muster.${name} stored USING (${list})
      WHERE input.expected > 0 ORDER BY ${list} FOR UPDATE OF stored
    ), inserted AS (
      INSERT INTO muster.${name} (${list}, ${counter}, ${content.name})
      SELECT ${list}, 1, coalesce(content, '') FROM input WHERE expected = 0 ORDER BY ${list}
      ON CONFLICT DO NOTHING RETURNING ${list}
    ), updated AS (
      UPDATE muster.${name} stored
      SET ${counter} = stored.${counter} + 1, ${content.name} = input.content
      FROM held JOIN input USING (${list})
      WHERE ${isStored} AND input.content IS NOT NULL RETURNING ${storedKeys}
    ), deleted AS (
      DELETE FROM muster.${name} stored USING held JOIN input USING (${list})
      WHERE ${isStored} AND input.content IS NULL RETURNING ${storedKeys}
    )
    SELECT min(place)::integer AS place FROM input LEFT JOIN (
      SELECT * FROM inserted UNION ALL SELECT * FROM updated UNION ALL SELECT * FROM deleted
    ) written USING (${list}) WHERE written.${names[0]} IS NULL`;
}

function absentStatement({ name, keys }: SwapTable): string {
  const list = keys.map((key) => key.name).join(", ");
  const arrays = keys.map((key, index) => `$${index + 1}::${key.type}[]`).join(", ");
  return `DELETE FROM muster.${name} WHERE (${list}) IN (SELECT * FROM unnest(${arrays}))`;
}
