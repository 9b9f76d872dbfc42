// SPDX-License-Identifier: Apache-2.0
/** `kill -9` of a process that commits: what it was told is there, the rest is whole or absent. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { describe, test } from "node:test";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import { FIRST_PREVIOUS_HASH, verifyAudit } from "../../../ports/audit-chain.ts";
import { TickingClock } from "../../../ports/contract/helpers.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { startCommitter } from "./store-committer.ts";

const { signal } = new AbortController();

/** The last number it acknowledged before it died; it is killed once it has said `killAfter`. */
async function runUntilKilled(
  path: string,
  options: { killAfter: number; faults?: string },
): Promise<number> {
  const { killAfter, faults } = options;
  const committer = startCommitter(path, faults === undefined ? {} : { MUSTER_FAULTS: faults });
  const exited = once(committer, "exit");
  let acknowledged = -1;
  for await (const line of createInterface({ input: committer.stdout })) {
    acknowledged = Number(line);
    if (acknowledged >= killAfter) committer.kill("SIGKILL");
  }
  const [, killedBy] = await exited;
  assert.equal(killedBy, "SIGKILL");
  return acknowledged;
}

/** How many commits are there; each must be whole, and the chain unbroken. */
async function countCommits(path: string): Promise<number> {
  await using store = openDirectSqliteStore({ path, clock: new TickingClock(0) });
  let count = 0;
  let hash = FIRST_PREVIOUS_HASH;
  for (let after = ""; ;) {
    const page = { prefix: "", after, limit: 1_000, signal };
    const documents = await store.listDocuments("setting", page);
    const next = { tenant: null, afterSequence: count, limit: 1_000, signal };
    const { entries } = await store.listAudit(next);
    assert.deepEqual(
      entries.map((entry) => entry.subject),
      documents.map((document) => document.key),
    );
    const verdict = verifyAudit(entries, hash);
    assert(verdict.ok);
    ({ hash } = verdict);
    count += documents.length;
    const last = documents.at(-1);
    if (last === undefined) return count;
    after = last.key;
  }
}

describe("SQLite store and kill -9", () => {
  test("every acknowledged commit is there after each of several kills", async () => {
    await using folder = await tempDir("store");
    const path = folder.join("store.db");
    for (const killAfter of [0, 7, 60, 200]) {
      const acknowledged = await runUntilKilled(path, { killAfter });
      const count = await countCommits(path);
      // One more may have been made durable whose acknowledgement died with the process.
      assert(count === acknowledged + 1 || count === acknowledged + 2, `${acknowledged}, ${count}`);
    }
  });

  test("killed before COMMIT nothing of it is there, killed after it all is", async () => {
    await using folder = await tempDir("store");
    const before = folder.join("before.db");
    const after = folder.join("after.db");
    // The committer's first commit is one of nothing, so that the fifth is its fourth document.
    const never = { killAfter: Infinity };
    await runUntilKilled(before, { ...never, faults: "crash:store.commit.before#5" });
    await runUntilKilled(after, { ...never, faults: "crash:store.commit.after#5" });
    assert.deepEqual([await countCommits(before), await countCommits(after)], [3, 4]);
  });
});
