// SPDX-License-Identifier: Apache-2.0
/** The Store on PostgreSQL, for centers that share one. */
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { RowStore } from "../../runtime/row-store.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { Connections } from "./connections.ts";
import { migrate } from "./migrate.ts";
import { STORE_MIGRATIONS } from "./migrations/all.ts";
import type { Migration } from "./migrations/migration.ts";
import { PostgresCalls } from "./postgres-calls.ts";
import { parseServerAddress } from "./server-address.ts";

/** A restart of the server takes a second or two; whoever waits longer wants to be told. */
const DEFAULT_PATIENCE_MS = 5_000;

export interface PostgresStoreOptions {
  /**
   * `postgres://user@host:port/database`, with what else the driver knows: `sslmode`, `sslrootcert`
   * … A password in it, in PGPASSWORD or in ~/.pgpass.
   */
  readonly url: string;
  /** Of the times in the audit log. */
  readonly clock: Clock;
  readonly logger: Logger;
  /** Gives up opening. */
  readonly signal: AbortSignal;
  /** How long a call tries again while the server is away, ms. Default 5,000. */
  readonly patienceMs?: number;
  /** Default: all there are. */
  readonly migrations?: readonly Migration[];
}

/**
 * Opens the store, in the schema `muster` of the database, and makes or migrates that. Throws
 * `invalid_argument` (URL), `unavailable`, `unauthenticated`, `failed_precondition` (no such
 * database, no right, newer schema, TLS).
 */
export async function openPostgresStore(options: PostgresStoreOptions): Promise<RowStore> {
  const { url, clock, logger, signal, patienceMs = DEFAULT_PATIENCE_MS } = options;
  const address = parseServerAddress(url);
  const connections = new Connections({
    address,
    applicationName: "muster center",
    patienceMs,
    clock: systemClock,
    logger,
  });
  try {
    const migrations = options.migrations ?? STORE_MIGRATIONS;
    const { from, to } = await connections.read("open the store", signal, (client) =>
      migrate(client, migrations, address.name),
    );
    if (from > 0 && from < to) {
      const versions = { migratedFrom: from, migratedTo: to };
      logger.info("The store was brought to a newer schema.", versions);
    }
  } catch (error) {
    await connections.end();
    throw error;
  }
  return new RowStore({ calls: new PostgresCalls(connections), clock });
}
