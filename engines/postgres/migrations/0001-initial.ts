// SPDX-License-Identifier: Apache-2.0
/**
 * The first shape of the store, in a schema of its own so that the database may hold other things.
 *
 * - Keys sort by their bytes (`C`), which for UTF-8 is the order of code points that the port
 *   promises, on every server whatever its locale.
 * - Content is text, not `jsonb`: it reads back to the character (the audit chain hashes it), and
 *   `jsonb` refuses what JSON may hold (U+0000).
 * - Ordinals come from a counter's row, not a sequence: a sequence leaves gaps when a transaction
 *   fails, and pages are packed by ordinal.
 * - `audit` is append-only, and the database itself refuses to change it.
 */
import type { Migration } from "./migration.ts";

export const INITIAL: Migration = {
  number: 1,
  sql: `
    CREATE TABLE muster.document (
      kind text COLLATE "C" NOT NULL,
      key text COLLATE "C" NOT NULL,
      revision bigint NOT NULL,
      value text NOT NULL,
      PRIMARY KEY (kind, key)
    );

    CREATE TABLE muster.device (
      ordinal bigint PRIMARY KEY,
      tenant text COLLATE "C" NOT NULL,
      id text COLLATE "C" NOT NULL,
      revision bigint NOT NULL,
      value text NOT NULL,
      UNIQUE (tenant, id)
    );
    CREATE INDEX device_by_tenant ON muster.device (tenant, ordinal);

    CREATE TABLE muster.page (
      kind text COLLATE "C" NOT NULL,
      owner text COLLATE "C" NOT NULL,
      number bigint NOT NULL,
      version bigint NOT NULL,
      bytes bytea NOT NULL,
      PRIMARY KEY (kind, owner, number)
    );

    CREATE TABLE muster.fence (
      name text COLLATE "C" PRIMARY KEY,
      token bigint NOT NULL
    );

    CREATE TABLE muster.last_ordinal (value bigint NOT NULL);
    INSERT INTO muster.last_ordinal VALUES (0);

    CREATE TABLE muster.audit (
      sequence bigint PRIMARY KEY,
      at_ms bigint NOT NULL,
      tenant text COLLATE "C" NOT NULL,
      actor text COLLATE "C" NOT NULL,
      action text COLLATE "C" NOT NULL,
      subject text COLLATE "C" NOT NULL,
      reason text COLLATE "C" NOT NULL,
      detail text NOT NULL,
      previous_hash text NOT NULL,
      hash text NOT NULL
    );
    CREATE INDEX audit_by_tenant ON muster.audit (tenant, sequence);
    CREATE FUNCTION muster.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'the audit log is append-only'; END
    $$;
    CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON muster.audit
      FOR EACH STATEMENT EXECUTE FUNCTION muster.refuse_audit_change();
  `,
};
