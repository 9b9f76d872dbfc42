// SPDX-License-Identifier: Apache-2.0
/** What opening a store on PostgreSQL says when it cannot, and that it never says a password. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { isMusterError, type MusterError } from "../../../domain/errors.ts";
import { openPostgresStore } from "../../../engines/postgres/postgres-store.ts";
import { STORE_MIGRATIONS } from "../../../engines/postgres/migrations/all.ts";
import { accept, note, setting } from "../../../ports/contract/store-harness.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { startPostgres, type PostgresServer } from "../../../scripts/servers/postgres.ts";
import { administer, makeDatabase } from "./postgres-under-test.ts";

const { signal } = new AbortController();
const PASSWORD = "s3cret-of-the-test";
let server: PostgresServer;

before(async () => {
  server = await startPostgres();
});

after(() => server[Symbol.asyncDispose]());

function open(url: string, migrations = STORE_MIGRATIONS): ReturnType<typeof openPostgresStore> {
  const common = { clock: systemClock, logger: SILENT_LOGGER, signal, patienceMs: 200 };
  return openPostgresStore({ url, migrations, ...common });
}

async function refusal(url: string): Promise<MusterError> {
  const error = await open(url).then(
    () => assert.fail("it opened"),
    (cause: unknown) => cause,
  );
  assert(isMusterError(error), String(error));
  assert(!JSON.stringify([error.message, error.detail]).includes(PASSWORD));
  return error;
}

test("a server that is not there is named, with its port and database", async () => {
  const error = await refusal(`postgres://ann:${PASSWORD}@127.0.0.1:1/fleet`);
  assert.equal(error.code, "unavailable");
  assert.match(error.message, /PostgreSQL at 127\.0\.0\.1:1\/fleet: connect ECONNREFUSED/);
});

test("a refused password, a missing database and a wrong URL have their sentences", async () => {
  const url = new URL(server.url("postgres"));
  url.password = PASSWORD;
  const refused = await refusal(url.href);
  assert.equal(refused.code, "unauthenticated");
  assert.match(refused.message, /refused the user or the password/);
  const missing = await refusal(server.url("nowhere"));
  assert.equal(missing.code, "failed_precondition");
  assert.match(missing.message, /no such database/);
  for (const wrong of [`mysql://ann:${PASSWORD}@db/fleet`, `ann:${PASSWORD}`, "db"]) {
    assert.equal((await refusal(wrong)).code, "invalid_argument");
  }
});

test("TLS that the server does not speak is said", async () => {
  const error = await refusal(`${server.url("postgres")}?sslmode=verify-full`);
  assert.equal(error.code, "failed_precondition");
  assert.match(error.message, /does not support SSL/);
});

test("a newer schema is refused, an older one is brought up to date by one of many", async () => {
  const database = await makeDatabase(server);
  const url = server.url(database);
  await Promise.all([1, 2, 3].map(async () => (await open(url)).close()));
  const next = { number: STORE_MIGRATIONS.length + 1, sql: "CREATE TABLE muster.extra (a text)" };
  const newer = [...STORE_MIGRATIONS, next];
  await Promise.all([1, 2, 3].map(async () => (await open(url, newer)).close()));
  const text = "SELECT number FROM muster.schema_version ORDER BY number";
  const versions = await administer<{ number: number }>(server, database, text);
  assert.deepEqual(
    versions.map(({ number }) => number),
    newer.map(({ number }) => number),
  );
  const error = await refusal(url);
  assert.equal(error.code, "failed_precondition");
  assert.match(error.message, /schema version 2, this program knows versions up to 1/);
});

test("a user who owns the database and nothing else is enough", async () => {
  const database = await makeDatabase(server);
  await administer(server, "postgres", `CREATE ROLE plain LOGIN PASSWORD '${PASSWORD}'`);
  await administer(server, "postgres", `ALTER DATABASE ${database} OWNER TO plain`);
  const url = new URL(server.url(database));
  url.username = "plain";
  url.password = PASSWORD;
  await using store = await open(url.href);
  const fence = await store.acquireFence("leader", { signal });
  await accept(store, { fence, ...setting("default/a", 1), ...note("a") });
  assert.equal((await store.space({ signal })).isRemote, true);
});

test("the audit log refuses to be changed, whoever asks", async () => {
  const database = await makeDatabase(server);
  await using _store = await open(server.url(database));
  for (const change of ["DELETE FROM", "TRUNCATE"]) {
    await assert.rejects(administer(server, database, `${change} muster.audit`), /append-only/);
  }
});
