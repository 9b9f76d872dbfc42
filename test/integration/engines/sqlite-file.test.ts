// SPDX-License-Identifier: Apache-2.0
/** The SQLite file that store and event log share: schema changes, failures, disk errors. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isMusterError } from "../../../domain/errors.ts";
import type { ErrorCode } from "../../../domain/errors.ts";
import { openSqliteFile } from "../../../runtime/sqlite-file.ts";
import type { SqliteFile } from "../../../runtime/sqlite-file.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { copyDatabase } from "./copy-database.ts";

const FIRST = { number: 1, sql: "CREATE TABLE first (value INTEGER) STRICT" };
const SECOND = { number: 2, sql: "CREATE TABLE second (value INTEGER) STRICT" };
const BROKEN = {
  number: 2,
  sql: "CREATE TABLE half (value INTEGER); INSERT INTO nowhere VALUES (1)",
};

function openFile(path: string, migrations = [FIRST]): SqliteFile {
  return openSqliteFile({ path, what: "store", applicationId: 7, migrations });
}

function tableNames(file: SqliteFile): unknown[] {
  const rows = file.database.prepare("SELECT name FROM sqlite_schema ORDER BY name").all();
  return rows.map((row) => row["name"]);
}

function sqliteError(errcode: number): Error {
  return Object.assign(new Error("from SQLite"), { code: "ERR_SQLITE_ERROR", errcode });
}

function codeOf(action: () => unknown): ErrorCode | "none" {
  try {
    action();
    return "none";
  } catch (error) {
    assert(isMusterError(error), String(error));
    return error.code;
  }
}

describe("SQLite file", () => {
  test("a newer program brings the schema forward and says from where", async () => {
    await using folder = await tempDir("sqlite");
    const path = folder.join("file.db");
    openFile(path).close();
    const newer = openFile(path, [FIRST, SECOND]);
    assert.deepEqual(newer.facts, { recovered: false, migratedFrom: 1, migratedTo: 2 });
    assert.deepEqual(tableNames(newer), ["first", "second"]);
    newer.close();
    assert.equal(
      codeOf(() => openFile(path)),
      "failed_precondition",
    );
  });

  test("a migration that fails leaves the file as it was", async () => {
    await using folder = await tempDir("sqlite");
    const path = folder.join("file.db");
    openFile(path).close();
    assert.throws(() => openFile(path, [FIRST, BROKEN]), /nowhere/);
    const file = openFile(path);
    assert.deepEqual(tableNames(file), ["first"]);
    file.close();
  });

  test("a file that was not closed says so, once", async () => {
    await using folder = await tempDir("sqlite");
    const path = folder.join("file.db");
    const crashed = folder.join("crashed.db");
    const file = openFile(path);
    file.write("write", () => {
      file.database.exec("INSERT INTO first VALUES (1)");
      return { keep: true, result: null };
    });
    await copyDatabase(path, crashed);
    file.close();
    const recovered = openFile(crashed);
    assert.equal(recovered.facts.recovered, true);
    assert.equal(recovered.database.prepare("SELECT value FROM first").get()?.["value"], 1);
    recovered.close();
    const closed = openFile(crashed);
    assert.equal(closed.facts.recovered, false);
    closed.close();
  });

  test("a write is undone when it says so and when it throws", () => {
    const file = openFile(":memory:");
    const insert = (): void => file.database.exec("INSERT INTO first VALUES (1)");
    const undone = file.write("write", () => {
      insert();
      return { keep: false, result: "answer" };
    });
    assert.equal(undone, "answer");
    const bug = new Error("a bug");
    const broken = (): unknown =>
      file.write("write", () => {
        insert();
        throw bug;
      });
    assert.throws(broken, bug);
    assert.equal(file.database.isTransaction, false);
    assert.equal(file.database.prepare("SELECT count(*) AS n FROM first").get()?.["n"], 0);
    file.close();
  });

  test("each of SQLite's failures has a code, and our own faulty SQL stays a bug", () => {
    const codes: [number, ErrorCode][] = [
      [5, "unavailable"],
      [8, "failed_precondition"],
      [11, "corrupt"],
      [13, "no_space"],
      [14, "failed_precondition"],
      [18, "too_large"],
      [26, "corrupt"],
      [(1 << 8) | 11, "corrupt"],
      [10, "unavailable"],
    ];
    for (const [errcode, code] of codes) {
      const file = openFile(":memory:");
      const failing = (): never =>
        file.read("read", () => {
          throw sqliteError(errcode);
        });
      assert.equal(codeOf(failing), code);
      file.close();
    }
    const file = openFile(":memory:");
    assert.throws(() => file.read("read", () => file.database.exec("SELEKT")), /syntax error/);
    file.close();
  });

  test("after a disk error everything is refused until the file is opened again", async () => {
    await using folder = await tempDir("sqlite");
    const path = folder.join("file.db");
    const file = openFile(path);
    const failed = (): never =>
      file.write("commit", () => {
        throw sqliteError(1_034); // SQLITE_IOERR_FSYNC
      });
    assert.equal(codeOf(failed), "unavailable");
    assert.equal(file.database.isTransaction, false);
    assert.equal(
      codeOf(() => file.read("read", () => assert.fail("it ran"))),
      "unavailable",
    );
    file.close();
    const again = openFile(path);
    assert.equal(
      codeOf(() => again.read("read", () => 1)),
      "none",
    );
    again.close();
  });
});
