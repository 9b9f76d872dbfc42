// SPDX-License-Identifier: Apache-2.0
/**
 * Brings the schema `muster` to the newest version, under a lock: of several centers that start at
 * once one does it, the others wait and find it done. All steps are one transaction.
 */
import assert from "node:assert/strict";
import type { ClientBase } from "pg";
import { MusterError } from "../../domain/errors.ts";
import { LOCK_MIGRATION } from "./locks.ts";
import type { Migration } from "./migrations/migration.ts";

export interface Migrated {
  /** 0: there was none. */
  readonly from: number;
  readonly to: number;
}

/** Throws `failed_precondition` when the schema is newer than `migrations`. */
export async function migrate(
  client: ClientBase,
  migrations: readonly Migration[],
  server: string,
): Promise<Migrated> {
  migrations.forEach((migration, index) => assert.equal(migration.number, index + 1));
  await client.query(`BEGIN; ${LOCK_MIGRATION}`);
  const from = await readVersion(client);
  if (from > migrations.length) {
    await client.query("ROLLBACK");
    throw new MusterError({
      code: "failed_precondition",
      message:
        `cannot open the store on PostgreSQL at ${server}: it has schema version ${from}, ` +
        `this program knows versions up to ${migrations.length}`,
      detail: { hint: "run the newer muster that wrote it, or restore an older backup" },
    });
  }
  for (const { number, sql } of migrations.slice(from)) {
    await client.query(sql);
    await client.query("INSERT INTO muster.schema_version (number) VALUES ($1)", [number]);
  }
  await client.query("COMMIT");
  return { from, to: migrations.length };
}

async function readVersion(client: ClientBase): Promise<number> {
  const find = "SELECT to_regclass('muster.schema_version') IS NOT NULL AS is_there";
  const { rows } = await client.query<{ is_there: boolean }>(find);
  if (rows[0]?.is_there !== true) {
    await client.query(`
      CREATE SCHEMA IF NOT EXISTS muster;
      CREATE TABLE muster.schema_version (
        number integer PRIMARY KEY,
        applied_at timestamptz NOT NULL DEFAULT now()
      )`);
    return 0;
  }
  const newest = "SELECT coalesce(max(number), 0) AS number FROM muster.schema_version";
  return (await client.query<{ number: number }>(newest)).rows[0]?.number ?? 0;
}
