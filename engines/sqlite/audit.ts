// SPDX-License-Identifier: Apache-2.0
/** The audit log in SQLite: append-only, each entry sealed onto the last (`audit-chain.ts`). */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { FIRST_PREVIOUS_HASH, sealAuditEntry } from "../../ports/audit-chain.ts";
import type { Json } from "../../ports/store.ts";
import type { AuditListInput, AuditRow, AuditRowDraft } from "./store-calls.ts";

interface Statements {
  readonly head: StatementSync;
  readonly list: StatementSync;
  readonly listOfTenant: StatementSync;
  readonly insert: StatementSync;
}

const COLUMNS = `sequence, at_ms AS atMs, tenant, actor, action, subject, reason, detail,
  previous_hash AS previousHash, hash`;

export class Audit {
  readonly #statements: Statements;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  static prepare(database: DatabaseSync): Audit {
    return new Audit({
      head: database.prepare("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1"),
      list: database.prepare(
        `SELECT ${COLUMNS} FROM audit WHERE sequence > ? ORDER BY sequence LIMIT ?`,
      ),
      listOfTenant: database.prepare(
        `SELECT ${COLUMNS} FROM audit WHERE tenant = ? AND sequence > ?
         ORDER BY sequence LIMIT ?`,
      ),
      insert: database.prepare(
        `INSERT INTO audit
         (sequence, at_ms, tenant, actor, action, subject, reason, detail, previous_hash, hash)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      ),
    });
  }

  list(input: AuditListInput): AuditRow[] {
    const { tenant, afterSequence, limit } = input;
    const rows =
      tenant === null
        ? this.#statements.list.all(afterSequence, limit)
        : this.#statements.listOfTenant.all(tenant, afterSequence, limit);
    return rows as unknown as AuditRow[];
  }

  /** Adds the entries to the chain; returns the newest sequence, 0 when the log is empty. */
  append(drafts: readonly AuditRowDraft[], atMs: number): number {
    const head = this.#statements.head.get() as { sequence: number; hash: string } | undefined;
    let sequence = head?.sequence ?? 0;
    let previousHash = head?.hash ?? FIRST_PREVIOUS_HASH;
    for (const { detail: detailText, ...draft } of drafts) {
      sequence += 1;
      // Parsed from the stored text, so that the hash is over what reads back.
      const detail = JSON.parse(detailText) as Json;
      const entry = sealAuditEntry({ draft: { ...draft, detail }, sequence, atMs, previousHash });
      const { tenant, actor, action, subject, reason, hash } = entry;
      const who = [tenant, actor, action, subject, reason];
      this.#statements.insert.run(sequence, atMs, ...who, detailText, previousHash, hash);
      previousHash = hash;
    }
    return sequence;
  }
}
