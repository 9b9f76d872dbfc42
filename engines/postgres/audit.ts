// SPDX-License-Identifier: Apache-2.0
/** The audit log in PostgreSQL: append-only, each entry sealed onto the last. */
import type { ClientBase, QueryResult } from "pg";
import { MAX_AUDIT_LOOKED_AT } from "../../ports/store-limits.ts";
import type { AuditQuery } from "../../ports/store.ts";
import { sealAuditRows, type AuditHead } from "../../runtime/audit-rows.ts";
import type { AuditRow, AuditRowDraft, AuditRows } from "../../runtime/store-calls.ts";
import { batchesOf } from "./batches.ts";
import { int8Array, textArray } from "./binary-arrays.ts";
import { LOCK_AUDIT } from "./locks.ts";

const COLUMNS = `sequence, at_ms AS "atMs", tenant, actor, action, subject, reason, detail,
  previous_hash AS "previousHash", hash`;

const HEAD = "SELECT sequence, hash FROM muster.audit ORDER BY sequence DESC LIMIT 1";

export async function listAudit(client: ClientBase, query: AuditQuery): Promise<AuditRows> {
  const { tenant, afterSequence, beforeSequence = Number.MAX_SAFE_INTEGER, limit } = query;
  const order = query.newestFirst === true ? "DESC" : "ASC";
  const range = `FROM muster.audit WHERE ${tenant === null ? "" : "tenant = $7 AND"}
    sequence > $1 AND sequence < $2 ORDER BY sequence ${order}`;
  // One statement, so that what was looked at and where that ended are of the same moment.
  const text = `
    SELECT found.*, (SELECT sequence ${range} LIMIT 1 OFFSET ${MAX_AUDIT_LOOKED_AT - 1}) AS last
    FROM (VALUES (1)) AS always LEFT JOIN (
      SELECT * FROM (SELECT ${COLUMNS} ${range} LIMIT ${MAX_AUDIT_LOOKED_AT}) looked
      WHERE "atMs" >= $3 AND ($4 = '' OR subject LIKE $4 OR subject LIKE '%/' || $4)
      AND ($5 = '' OR actor LIKE $5 OR actor LIKE '%:' || $5)
      ORDER BY sequence ${order} LIMIT $6
    ) found ON true ORDER BY sequence ${order}`;
  const patterns = [likeOf(query.subject ?? ""), likeOf(query.actor ?? "")];
  const values = [afterSequence, beforeSequence, query.sinceMs ?? 0, ...patterns, limit + 1];
  const parameters = tenant === null ? values : [...values, tenant];
  const answer = await client.query<AuditRow & { last: number | null }>(text, parameters);
  const next = answer.rows[0]?.last ?? null;
  const found = answer.rows
    .filter((row) => row.sequence !== null)
    .map(({ last: _last, ...row }): AuditRow => row);
  const rows = found.slice(0, limit);
  // One more than was asked for: so there is more.
  return found.length > limit ? { rows, next: rows.at(-1)?.sequence ?? null } : { rows, next };
}

/** Adds the entries to the chain; returns the newest sequence, 0 when the log is empty. */
export async function appendAudit(
  client: ClientBase,
  drafts: readonly AuditRowDraft[],
  atMs: number,
): Promise<number> {
  const head = await readHead(client, drafts.length > 0);
  if (drafts.length === 0) return head?.sequence ?? 0;
  const rows = sealAuditRows({ drafts, head, atMs });
  const facts = { nameOf, lengthOf };
  for (const batch of batchesOf(rows, facts)) await insertRows(client, batch, atMs);
  return rows.at(-1)?.sequence ?? 0;
}

function nameOf({ sequence }: AuditRow): string {
  return String(sequence);
}

function lengthOf({ detail }: AuditRow): number {
  return detail.length;
}

async function insertRows(
  client: ClientBase,
  rows: readonly AuditRow[],
  atMs: number,
): Promise<void> {
  const column = (name: Exclude<keyof AuditRow, "sequence" | "atMs">): Buffer =>
    textArray(rows.map((row) => row[name]));
  await client.query(
    `INSERT INTO muster.audit (sequence, tenant, actor, action, subject, reason, detail,
       previous_hash, hash, at_ms)
     SELECT *, $10::bigint FROM unnest($1::bigint[], $2::text[], $3::text[], $4::text[],
       $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])`,
    [
      int8Array(rows.map((row) => row.sequence)),
      ...(["tenant", "actor", "action", "subject", "reason", "detail"] as const).map(column),
      column("previousHash"),
      column("hash"),
      atMs,
    ],
  );
}

/** `isToBeFollowed`: locked until the transaction ends, for the next entry is sealed onto it. */
async function readHead(
  client: ClientBase,
  isToBeFollowed: boolean,
): Promise<AuditHead | undefined> {
  if (!isToBeFollowed) return (await client.query<AuditHead>(HEAD)).rows[0];
  const answers: unknown = await client.query(`${LOCK_AUDIT} ${HEAD}`);
  return (answers as QueryResult<AuditHead>[])[1]?.rows[0];
}

/** The port's `*` and `?` as LIKE's `%` and `_`, whose own are characters like others. */
function likeOf(pattern: string): string {
  return pattern
    .replaceAll(/[\\%_]/g, String.raw`\$&`)
    .replaceAll("*", "%")
    .replaceAll("?", "_");
}
