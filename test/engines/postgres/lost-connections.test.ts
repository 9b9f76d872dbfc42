// SPDX-License-Identifier: Apache-2.0
/** Connections lost in mid-commit: the answer is what became of the commit, never a guess. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import pg from "pg";
import { isMusterError } from "../../../domain/errors.ts";
import { openPostgresStore } from "../../../engines/postgres/postgres-store.ts";
import { FIRST_PREVIOUS_HASH, verifyAudit } from "../../../ports/audit-chain.ts";
import { accept, note, register, setting } from "../../../ports/contract/store-harness.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import type { Store } from "../../../ports/store.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { startPostgres, type PostgresServer } from "../../../scripts/servers/postgres.ts";
import { until } from "../../helpers/until.ts";
import { startCutProxy } from "./cut-proxy.ts";
import { administer, makeDatabase } from "./postgres-under-test.ts";

const { signal } = new AbortController();
let server: PostgresServer;

before(async () => {
  server = await startPostgres();
});

after(() => server[Symbol.asyncDispose]());

function open(url: string, patienceMs?: number): ReturnType<typeof openPostgresStore> {
  const patience = patienceMs === undefined ? {} : { patienceMs };
  return openPostgresStore({ url, clock: systemClock, logger: SILENT_LOGGER, signal, ...patience });
}

/** All kinds of writes, once. */
const COMMIT = { ...setting("default/a", 1), ...register("default", "x"), ...note("a") };

async function assertOnce(store: Store): Promise<void> {
  const document = await store.getDocument("setting", "default/a", { signal });
  assert.equal(document?.revision, 1);
  const all = { tenant: null, afterSequence: 0, limit: 10, signal };
  const { entries } = await store.listAudit(all);
  assert.equal(entries.length, 1);
  assert.equal(verifyAudit(entries, FIRST_PREVIOUS_HASH).ok, true);
  const next = await accept(store, register("default", "y"));
  assert.deepEqual(next.ordinals, [2], "ordinals have no gap");
}

describe("a connection lost around COMMIT", () => {
  for (const cut of ["before", "after"] as const) {
    test(`${cut} the server has it: the commit takes place once`, async () => {
      await using proxy = await startCutProxy(server);
      const url = new URL(server.url(await makeDatabase(server)));
      url.host = `127.0.0.1:${proxy.port}`;
      await using store = await open(url.href);
      proxy.cutNext(cut);
      const result = await accept(store, COMMIT);
      assert.deepEqual([proxy.cutCount, result.ordinals, result.auditSequence], [1, [1], 1]);
      await assertOnce(store);
    });
  }

  test("and then nobody can be asked: it may have taken place, and that is said", async () => {
    await using proxy = await startCutProxy(server);
    const direct = server.url(await makeDatabase(server));
    const url = new URL(direct);
    url.host = `127.0.0.1:${proxy.port}`;
    await using store = await open(url.href, 300);
    proxy.cutNext("after", true);
    await assert.rejects(store.commit(COMMIT, { signal }), (error) => {
      assert(isMusterError(error));
      assert.equal(error.code, "unavailable");
      assert.match(error.message, /lost in the midst of a commit, and the server could not be/);
      return true;
    });
    await using witness = await open(direct);
    await assertOnce(witness);
  });
});

test("a backend ended in the midst of a commit: it takes place once, on another", async () => {
  const database = await makeDatabase(server);
  await using store = await open(server.url(database));
  // Holds the commit after its documents and devices, before the audit log.
  const holder = new pg.Client({ connectionString: server.url(database) });
  await holder.connect();
  await holder.query("BEGIN; LOCK TABLE muster.audit IN EXCLUSIVE MODE");
  const committing = accept(store, COMMIT);
  const end = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'muster center' AND datname = '${database}'
    AND wait_event_type = 'Lock'`;
  await until(
    "a waiting backend was ended",
    async () => (await administer(server, "postgres", end)).length > 0,
    { timeoutMs: 10_000, signal },
  );
  await holder.end();
  assert.deepEqual((await committing).ordinals, [1]);
  await assertOnce(store);
});

test("killed and started three times, the server keeps every answered commit", async () => {
  await using store = await open(server.url(await makeDatabase(server)), 30_000);
  const over = new AbortController();
  const writing = (async () => {
    let count = 0;
    while (!over.signal.aborted) {
      const commit = setting("default/count", count, count);
      const result = await store.commit(commit, { signal }).catch((error: unknown) => {
        // Killed in the midst of a COMMIT: nobody knows, and that is what it says.
        assert(isMusterError(error) && error.code === "unavailable", String(error));
        return null;
      });
      const stored = await store.getDocument("setting", "default/count", { signal });
      const revision = stored?.revision ?? 0;
      if (result !== null) assert.equal(revision, count + 1, "an answered commit is there, once");
      else assert(revision === count || revision === count + 1);
      count = revision;
    }
    return count;
  })();
  for (let kill = 0; kill < 3; kill++) {
    const seen = async (): Promise<number> =>
      (await store.getDocument("setting", "default/count", { signal }))?.revision ?? 0;
    const start = await seen();
    const goesOn = async (): Promise<boolean> => (await seen()) > start + 5;
    await until("commits go on", goesOn, { timeoutMs: 30_000, signal });
    await server.kill();
    await server.start();
  }
  over.abort();
  const count = await writing;
  const stored = await store.getDocument("setting", "default/count", { signal });
  assert.deepEqual([stored?.revision, stored?.value], [count, count - 1]);
});

test("a token drawn while another center commits: nothing of that one comes after it", async () => {
  const url = server.url(await makeDatabase(server));
  await using first = await open(url);
  await using second = await open(url);
  const older = await first.acquireFence("leader", { signal });
  let answered = 0;
  const stale: string[] = [];
  const writers = Array.from({ length: 4 }, async (_, writer) => {
    for (let number = 0; ; number++) {
      const commit = { fence: older, ...setting(`${writer}/${number}`, 1) };
      const result = await first.commit(commit, { signal });
      if (!result.ok) return stale.push(result.reason);
      answered += 1;
    }
  });
  await until("commits go on", () => answered > 20, { timeoutMs: 10_000, signal });
  await second.acquireFence("leader", { signal });
  const count = async (): Promise<number> => {
    const all = { prefix: "", limit: 1_000, signal };
    return (await second.listDocuments("setting", all)).length;
  };
  const atOnce = await count();
  await Promise.all(writers);
  assert.deepEqual(stale, Array(4).fill("stale-fence"));
  assert.deepEqual([await count(), answered], [atOnce, atOnce]);
});
