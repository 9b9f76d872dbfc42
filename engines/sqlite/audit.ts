// SPDX-License-Identifier: Apache-2.0
/** The audit log in SQLite: append-only, each entry sealed onto the last (`audit-chain.ts`). */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { MAX_AUDIT_LOOKED_AT } from "../../ports/store-limits.ts";
import type { AuditQuery } from "../../ports/store.ts";
import { sealAuditRows, type AuditHead } from "../../runtime/audit-rows.ts";
import type { AuditRow, AuditRowDraft, AuditRows } from "../../runtime/store-calls.ts";

const COLUMNS = `sequence, at_ms AS atMs, tenant, actor, action, subject, reason, detail,
  previous_hash AS previousHash, hash`;

type Order = "ASC" | "DESC";

/** Statements for one order, of one tenant or of all. */
interface Lookup {
  readonly list: StatementSync;
  /** The last entry that is looked at. */
  readonly last: StatementSync;
}

interface Statements {
  readonly head: StatementSync;
  readonly insert: StatementSync;
  readonly lookups: { readonly [key in `${Order} ${"one" | "all"}`]: Lookup };
}

function prepareLookup(database: DatabaseSync, order: Order, isOfOne: boolean): Lookup {
  const of = isOfOne ? "tenant = :tenant AND" : "";
  const range = `FROM audit WHERE ${of} sequence > :after AND sequence < :before
    ORDER BY sequence ${order}`;
  return {
    list: database.prepare(
      `SELECT * FROM (SELECT ${COLUMNS} ${range} LIMIT ${MAX_AUDIT_LOOKED_AT})
       WHERE atMs >= :since
       AND (:subject = '' OR subject GLOB :subject OR subject GLOB '*/' || :subject)
       AND (:actor = '' OR actor GLOB :actor OR actor GLOB '*:' || :actor)
       LIMIT :limit`,
    ),
    last: database.prepare(`SELECT sequence ${range} LIMIT 1 OFFSET ${MAX_AUDIT_LOOKED_AT - 1}`),
  };
}

export class Audit {
  readonly #statements: Statements;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  static prepare(database: DatabaseSync): Audit {
    return new Audit({
      head: database.prepare("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1"),
      lookups: {
        "ASC one": prepareLookup(database, "ASC", true),
        "ASC all": prepareLookup(database, "ASC", false),
        "DESC one": prepareLookup(database, "DESC", true),
        "DESC all": prepareLookup(database, "DESC", false),
      },
      insert: database.prepare(
        `INSERT INTO audit
         (sequence, at_ms, tenant, actor, action, subject, reason, detail, previous_hash, hash)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ),
    });
  }

  list(query: AuditQuery): AuditRows {
    const { tenant, afterSequence, beforeSequence = Number.MAX_SAFE_INTEGER, limit } = query;
    const order = query.newestFirst === true ? "DESC" : "ASC";
    const lookup = this.#statements.lookups[`${order} ${tenant === null ? "all" : "one"}`];
    const bounds = { after: afterSequence, before: beforeSequence };
    const range = tenant === null ? bounds : { ...bounds, tenant };
    const found = lookup.list.all({
      ...range,
      since: query.sinceMs ?? 0,
      subject: globOf(query.subject ?? ""),
      actor: globOf(query.actor ?? ""),
      limit: limit + 1,
    }) as unknown as AuditRow[];
    const rows = found.slice(0, limit);
    // One more than was asked for: so there is more.
    if (found.length > limit) return { rows, next: rows.at(-1)?.sequence ?? null };
    const last = lookup.last.get(range) as { sequence: number } | undefined;
    return { rows, next: last?.sequence ?? null };
  }

  /** Adds the entries to the chain; returns the newest sequence, 0 when the log is empty. */
  append(drafts: readonly AuditRowDraft[], atMs: number): number {
    const head = this.#statements.head.get() as AuditHead | undefined;
    const rows = sealAuditRows({ drafts, head, atMs });
    for (const row of rows) {
      const { sequence, tenant, actor, action, subject, reason, detail } = row;
      const who = [tenant, actor, action, subject, reason];
      this.#statements.insert.run(sequence, atMs, ...who, detail, row.previousHash, row.hash);
    }
    return rows.at(-1)?.sequence ?? head?.sequence ?? 0;
  }
}

/** SQLite's patterns have classes in brackets, too; those of the port have none. */
function globOf(pattern: string): string {
  return pattern.replaceAll("[", "[[]");
}
