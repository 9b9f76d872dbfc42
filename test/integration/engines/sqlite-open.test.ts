// SPDX-License-Identifier: Apache-2.0
/** How the SQLite store is opened, what it refuses, and how a full disk looks. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { chmod, open, readFile, rm, stat, truncate, writeFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { describe, test } from "node:test";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import { openSqliteStore } from "../../../engines/sqlite/worker-store.ts";
import { isMusterError } from "../../../domain/errors.ts";
import type { MusterError } from "../../../domain/errors.ts";
import { rejectsWith, TickingClock } from "../../../ports/contract/helpers.ts";
import { accept, note, setting } from "../../../ports/contract/store-harness.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { copyDatabase } from "./copy-database.ts";
import { startCommitter } from "./store-committer.ts";

const { signal } = new AbortController();
const clock = new TickingClock(0);

/** The failure that opening the file ends in, from either form of the store. */
async function refusal(path: string): Promise<MusterError> {
  const failures: MusterError[] = [];
  const openings = [
    () => openSqliteStore({ path, clock, logger: SILENT_LOGGER, signal }),
    async () => openDirectSqliteStore({ path, clock }),
  ];
  for (const opening of openings) {
    await assert.rejects(opening, (error) => {
      assert(isMusterError(error), String(error));
      failures.push(error);
      return true;
    });
  }
  const [first, second] = failures as [MusterError, MusterError];
  assert.deepEqual([first.message, first.detail], [second.message, second.detail]);
  assert.equal(first.detail.file, path);
  assert(first.detail.hint !== undefined, "it does not say what to do");
  return first;
}

/** A store with something in it, closed. */
async function fill(path: string): Promise<void> {
  await using store = openDirectSqliteStore({ path, clock });
  for (let number = 0; number < 50; number += 1) {
    const text = String(number).repeat(500);
    await accept(store, { ...setting(`default/${number}`, text), ...note(text) });
  }
}

describe("opening the SQLite store", () => {
  test("a new store is readable by its user alone, folder included", async () => {
    await using folder = await tempDir("store");
    const path = folder.join("made", "store.db");
    await using _store = openDirectSqliteStore({ path, clock });
    assert.equal((await stat(folder.join("made"))).mode & 0o777, 0o700);
    assert.equal((await stat(path)).mode & 0o777, 0o600);
  });

  test("a second process is refused and told why, until the first is gone by kill -9", async () => {
    await using folder = await tempDir("store");
    const path = folder.join("store.db");
    const committer = startCommitter(path);
    await once(committer.stdout, "data");
    const failure = await refusal(path);
    assert.equal(failure.code, "failed_precondition");
    assert.match(failure.message, /data folder .* is in use by another muster process/);
    committer.kill("SIGKILL");
    await once(committer, "exit");
    await using _store = openDirectSqliteStore({ path, clock });
  });

  test("a file that is no database is corrupt", async () => {
    await using folder = await tempDir("store");
    const path = folder.join("store.db");
    await writeFile(path, "name,region\n".repeat(2_000));
    const failure = await refusal(path);
    assert.equal(failure.code, "corrupt");
    assert.match(failure.detail.hint ?? "", /backup/);
  });

  test("an empty file is corrupt: a store is never made in its place", async () => {
    await using folder = await tempDir("store");
    const path = folder.join("store.db");
    await writeFile(path, "");
    assert.equal((await refusal(path)).code, "corrupt");
    assert.equal((await stat(path)).size, 0);
  });

  test("a file cut short or overwritten in its middle is corrupt", async () => {
    await using folder = await tempDir("store");
    const path = folder.join("store.db");
    await fill(path);
    const short = folder.join("short.db");
    await copyDatabase(path, short);
    await truncate(short, 8_192);
    assert.equal((await refusal(short)).code, "corrupt");
    const noisy = folder.join("noisy.db");
    await copyDatabase(path, noisy);
    const file = await open(noisy, "r+");
    await file.write(Buffer.alloc(40_960, 0xaa), 0, 40_960, 8_192);
    await file.close();
    assert.equal((await refusal(noisy)).code, "corrupt");
    assert((await readFile(noisy)).includes(Buffer.alloc(40_960, 0xaa)), "it was left as it was");
  });

  test("a WAL without its database is corrupt, not a new store", async () => {
    await using folder = await tempDir("store");
    const path = folder.join("store.db");
    const crashed = folder.join("crashed.db");
    {
      await using store = openDirectSqliteStore({ path, clock });
      await accept(store, setting("default/a", 1));
      await copyDatabase(path, crashed);
    }
    await rm(crashed);
    assert.equal((await refusal(crashed)).code, "corrupt");
  });

  test("another program's database is refused and left alone", async () => {
    await using folder = await tempDir("store");
    const path = folder.join("store.db");
    const foreign = new DatabaseSync(path);
    foreign.exec("CREATE TABLE bookmark (url TEXT)");
    foreign.close();
    const before = await readFile(path);
    const failure = await refusal(path);
    assert.equal(failure.code, "failed_precondition");
    assert.match(failure.message, /another program/);
    assert((await readFile(path)).equals(before));
  });

  test("a schema newer than this program is refused with both versions", async () => {
    await using folder = await tempDir("store");
    const path = folder.join("store.db");
    await fill(path);
    const database = new DatabaseSync(path);
    database.exec("PRAGMA user_version = 999");
    database.close();
    const failure = await refusal(path);
    assert.equal(failure.code, "failed_precondition");
    assert.match(failure.message, /schema version 999, .* up to 1$/);
  });

  test("a store that was being made when power failed is made anew", async () => {
    await using folder = await tempDir("store");
    const path = folder.join("store.db");
    await writeFile(`${path}.new`, "half");
    await writeFile(`${path}.new-wal`, "half");
    await using store = openDirectSqliteStore({ path, clock });
    await accept(store, setting("default/a", 1));
  });

  const isRoot = process.getuid?.() === 0;
  const skip = isRoot ? "root may write everywhere" : false;
  test("a folder without the right to write is refused", { skip }, async () => {
    await using folder = await tempDir("store");
    await chmod(folder.path, 0o500);
    const opening = openSqliteStore({
      path: folder.join("store.db"),
      clock,
      logger: SILENT_LOGGER,
      signal,
    });
    await rejectsWith(opening, "failed_precondition");
    await chmod(folder.path, 0o700);
  });

  test("an aborted opening rejects with the reason and lets the file go", async () => {
    await using folder = await tempDir("store");
    const path = folder.join("store.db");
    const controller = new AbortController();
    const options = { path, clock, logger: SILENT_LOGGER, signal: controller.signal };
    const opening = openSqliteStore(options);
    controller.abort(new Error("gave up"));
    await assert.rejects(opening, /gave up/);
    await assert.rejects(openSqliteStore(options), /gave up/);
    await using _store = openDirectSqliteStore({ path, clock });
  });

  test("the audit log cannot be changed through SQL either", async () => {
    await using folder = await tempDir("store");
    const path = folder.join("store.db");
    await fill(path);
    const database = new DatabaseSync(path);
    assert.throws(() => database.exec("UPDATE audit SET reason = ''"), /append-only/);
    assert.throws(() => database.exec("DELETE FROM audit"), /append-only/);
    database.close();
  });
});

describe("a full disk under the SQLite store", () => {
  test("is no_space, changes nothing, leaves reading alive, and space makes it go on", async () => {
    await using folder = await tempDir("store");
    const path = folder.join("store.db");
    const text = "x".repeat(20_000);
    let count = 0;
    {
      await using store = openDirectSqliteStore({ path, clock, maxFileBytes: 400_000 });
      const fillUp = async (): Promise<void> => {
        for (;;) {
          await accept(store, { ...setting(`default/${count}`, text), ...note("x") });
          count += 1;
        }
      };
      await rejectsWith(fillUp(), "no_space");
      const key = `default/${count}`;
      assert.equal(await store.getDocument("setting", key, { signal }), null);
      const page = { tenant: null, afterSequence: 0, limit: 1_000, signal };
      assert.equal((await store.listAudit(page)).entries.length, count);
      await accept(store, setting("default/0", null, 1));
    }
    await using store = openDirectSqliteStore({ path, clock });
    assert.equal((await accept(store, note("more"))).auditSequence, count + 1);
  });
});
