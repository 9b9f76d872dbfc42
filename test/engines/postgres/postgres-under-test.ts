// SPDX-License-Identifier: Apache-2.0
/**
 * The PostgreSQL store as the contract wants it: a database of its own for each test. A crash is
 * the server's: killed with -9 in the midst of what it does, and started again.
 */
import pg from "pg";
import { openPostgresStore } from "../../../engines/postgres/postgres-store.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { StoreUnderTest } from "../../../ports/contract/store-harness.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import type { PostgresServer } from "../../../scripts/servers/postgres.ts";

const { signal } = new AbortController();

let databaseCount = 0;

/** A new, empty database; its name. */
export async function makeDatabase(server: PostgresServer): Promise<string> {
  const name = `muster_${++databaseCount}`;
  await administer(server, "postgres", `CREATE DATABASE ${name}`);
  return name;
}

/** One statement on a connection of its own. */
export async function administer<Row extends pg.QueryResultRow>(
  server: PostgresServer,
  database: string,
  text: string,
): Promise<Row[]> {
  const client = new pg.Client({ connectionString: server.url(database) });
  await client.connect();
  try {
    return (await client.query<Row>(text)).rows;
  } finally {
    await client.end();
  }
}

export async function openStoreOn(
  server: PostgresServer,
  { clock }: { clock: Clock },
): Promise<StoreUnderTest> {
  const database = await makeDatabase(server);
  const url = server.url(database);
  const open = (): ReturnType<typeof openPostgresStore> =>
    openPostgresStore({ url, clock, logger: SILENT_LOGGER, signal });
  let store = await open();
  return {
    get store() {
      return store;
    },
    reopen: async () => {
      await store.close();
      store = await open();
    },
    crash: async () => {
      const lost = store;
      await server.kill();
      await server.start();
      store = await open();
      await lost.close();
    },
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await administer(server, "postgres", `DROP DATABASE ${database} WITH (FORCE)`);
    },
  };
}
