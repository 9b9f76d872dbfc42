// SPDX-License-Identifier: Apache-2.0
/**
 * The first shape of the store. Rows that may be long (a document or page of 1 MiB) live in rowid
 * tables: without a rowid they would lie in the index's own pages and make every lookup slower.
 * `audit` is append-only, and the database itself refuses to change it.
 */
import type { Migration } from "../../../runtime/sqlite-migrations.ts";

export const INITIAL: Migration = {
  number: 1,
  sql: `
    CREATE TABLE document (
      kind TEXT NOT NULL,
      key TEXT NOT NULL,
      revision INTEGER NOT NULL,
      value TEXT NOT NULL,
      UNIQUE (kind, key)
    ) STRICT;

    -- AUTOINCREMENT: an ordinal is never given twice, not even after the newest row is deleted.
    CREATE TABLE device (
      ordinal INTEGER PRIMARY KEY AUTOINCREMENT,
      tenant TEXT NOT NULL,
      id TEXT NOT NULL,
      revision INTEGER NOT NULL,
      value TEXT NOT NULL,
      UNIQUE (tenant, id)
    ) STRICT;
    CREATE INDEX device_by_tenant ON device (tenant, ordinal);

    CREATE TABLE page (
      kind TEXT NOT NULL,
      owner TEXT NOT NULL,
      number INTEGER NOT NULL,
      version INTEGER NOT NULL,
      bytes BLOB NOT NULL,
      UNIQUE (kind, owner, number)
    ) STRICT;

    CREATE TABLE fence (
      name TEXT PRIMARY KEY,
      token INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE audit (
      sequence INTEGER PRIMARY KEY,
      at_ms INTEGER NOT NULL,
      tenant TEXT NOT NULL,
      actor TEXT NOT NULL,
      action TEXT NOT NULL,
      subject TEXT NOT NULL,
      reason TEXT NOT NULL,
      detail TEXT NOT NULL,
      previous_hash TEXT NOT NULL,
      hash TEXT NOT NULL
    ) STRICT;
    CREATE INDEX audit_by_tenant ON audit (tenant, sequence);
    CREATE TRIGGER audit_is_not_updated BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
    CREATE TRIGGER audit_is_not_deleted BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
  `,
};
