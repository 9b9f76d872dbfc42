// SPDX-License-Identifier: Apache-2.0
import { after, before } from "node:test";
import { storeContract } from "../../../ports/contract/store.ts";
import { startPostgres, type PostgresServer } from "../../../scripts/servers/postgres.ts";
import { openStoreOn } from "./postgres-under-test.ts";

let server: PostgresServer;

before(async () => {
  server = await startPostgres();
});

after(() => server[Symbol.asyncDispose]());

storeContract({ name: "PostgreSQL", open: (options) => openStoreOn(server, options) });
