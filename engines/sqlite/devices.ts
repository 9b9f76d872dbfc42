// SPDX-License-Identifier: Apache-2.0
/** Registered devices in SQLite: one row each, found by name or by ordinal. */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { MusterError } from "../../domain/errors.ts";
import { MAX_ORDINAL } from "../../ports/store-limits.ts";
import type { DeviceListInput, DeviceRow, DeviceRowWrite } from "../../runtime/store-calls.ts";

interface Statements {
  readonly get: StatementSync;
  readonly getByOrdinal: StatementSync;
  readonly list: StatementSync;
  readonly listOfTenant: StatementSync;
  readonly insert: StatementSync;
  readonly update: StatementSync;
}

const COLUMNS = "ordinal, tenant, id, revision, value";

export class Devices {
  readonly #statements: Statements;

  constructor(statements: Statements) {
    this.#statements = statements;
  }

  static prepare(database: DatabaseSync): Devices {
    return new Devices({
      get: database.prepare(`SELECT ${COLUMNS} FROM device WHERE tenant = ? AND id = ?`),
      getByOrdinal: database.prepare(`SELECT ${COLUMNS} FROM device WHERE ordinal = ?`),
      list: database.prepare(
        `SELECT ${COLUMNS} FROM device WHERE ordinal > ? ORDER BY ordinal LIMIT ?`,
      ),
      listOfTenant: database.prepare(
        `SELECT ${COLUMNS} FROM device WHERE tenant = ? AND ordinal > ? ORDER BY ordinal LIMIT ?`,
      ),
      insert: database.prepare(
        `INSERT INTO device (tenant, id, revision, value) VALUES (?, ?, 1, ?)
         ON CONFLICT (tenant, id) DO NOTHING RETURNING ordinal`,
      ),
      update: database.prepare(
        `UPDATE device SET revision = revision + 1, value = ?
         WHERE ordinal = ? AND tenant = ? AND id = ? AND revision = ?`,
      ),
    });
  }

  get(tenant: string, id: string): DeviceRow | null {
    return (this.#statements.get.get(tenant, id) as DeviceRow | undefined) ?? null;
  }

  getByOrdinal(ordinal: number): DeviceRow | null {
    return (this.#statements.getByOrdinal.get(ordinal) as DeviceRow | undefined) ?? null;
  }

  list(input: DeviceListInput): DeviceRow[] {
    const { tenant, afterOrdinal, limit } = input;
    const rows =
      tenant === null
        ? this.#statements.list.all(afterOrdinal, limit)
        : this.#statements.listOfTenant.all(tenant, afterOrdinal, limit);
    return rows as unknown as DeviceRow[];
  }

  /** The ordinal; null when the stored revision is another, or it has another ordinal or name. */
  write(write: DeviceRowWrite): number | null {
    const { ordinal, tenant, id, expectedRevision, value } = write;
    if (ordinal === 0) return expectedRevision === 0 ? this.#register(tenant, id, value) : null;
    const { update } = this.#statements;
    const { changes } = update.run(value, ordinal, tenant, id, expectedRevision);
    return changes === 1 ? ordinal : null;
  }

  #register(tenant: string, id: string, value: string): number | null {
    const row = this.#statements.insert.get(tenant, id, value);
    if (row === undefined) return null;
    const ordinal = Number(row["ordinal"]);
    if (ordinal <= MAX_ORDINAL) return ordinal;
    throw new MusterError({
      code: "resource_exhausted",
      message: `cannot register device ${tenant}/${id}: all ${MAX_ORDINAL} ordinals are used`,
      detail: { hint: "start a second installation" },
    });
  }
}
