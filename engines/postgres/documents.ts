// SPDX-License-Identifier: Apache-2.0
/** Documents in PostgreSQL: compare-and-swap by revision, lists in key order (of UTF-8 bytes). */
import type { ClientBase } from "pg";
import { prefixEnd } from "../../ports/prefix-end.ts";
import type { DocumentKind } from "../../ports/store.ts";
import type { DocumentListInput, DocumentRow } from "../../runtime/store-calls.ts";
import type { DocumentRowWrite } from "../../runtime/store-calls.ts";
import { textArray } from "./binary-arrays.ts";
import { prepareSwap } from "./swap.ts";

const SELECT = "SELECT kind, key, revision, value FROM muster.document WHERE kind = $1";

const swap = prepareSwap({
  name: "document",
  keys: [
    { name: "kind", type: "text" },
    { name: "key", type: "text" },
  ],
  counter: "revision",
  content: { name: "value", type: "text" },
});

/** In the order asked for, null where there is none. */
export async function getDocuments(
  client: ClientBase,
  kind: DocumentKind,
  keys: readonly string[],
): Promise<(DocumentRow | null)[]> {
  const text = `${SELECT} AND key = ANY($2::text[])`;
  const { rows } = await client.query<DocumentRow>(text, [kind, textArray(keys)]);
  const byKey = new Map(rows.map((row) => [row.key, row]));
  return keys.map((key) => byKey.get(key) ?? null);
}

export async function listDocuments(
  client: ClientBase,
  input: DocumentListInput,
): Promise<DocumentRow[]> {
  const { kind, prefix, after, limit } = input;
  const values: (string | number)[] = [kind, limit, prefix];
  let text = `${SELECT} AND key >= $3`;
  const end = prefixEnd(prefix);
  if (end !== null) text += ` AND key < $${values.push(end)}`;
  if (after !== null) text += ` AND key > $${values.push(after)}`;
  return (await client.query<DocumentRow>(`${text} ORDER BY key LIMIT $2`, values)).rows;
}

/** The first that did not match; null when all were written. */
export async function writeDocuments(
  client: ClientBase,
  writes: readonly DocumentRowWrite[],
): Promise<DocumentRowWrite | null> {
  const swaps = writes.map(({ kind, key, expectedRevision, value }) => {
    return { keys: [kind, key], expected: expectedRevision, content: value };
  });
  const place = await swap(client, swaps);
  return place === null ? null : (writes[place] ?? null);
}
