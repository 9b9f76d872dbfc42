// SPDX-License-Identifier: Apache-2.0
// Reading and verifying the record of changes.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FIRST_PREVIOUS_HASH, sealAuditEntry } from "../../../ports/audit-chain.ts";
import { auditRecordOf } from "../../../protocol/audit-record.ts";
import type { AuditRecord, ListAuditRequest } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { startFakeCenter, type Answers } from "./fake-center.ts";
import { runMuster } from "./run-muster.ts";

/** A chain of records as the center gives them. */
function chain(count: number): AuditRecord[] {
  const records: AuditRecord[] = [];
  let previousHash = FIRST_PREVIOUS_HASH;
  for (let sequence = 1; sequence <= count; sequence += 1) {
    const entry = sealAuditEntry({
      draft: {
        tenant: "default",
        actor: "operator:ann",
        action: "rollout.start",
        subject: `rollout/shop-${sequence}`,
        reason: "spring",
        detail: { number: sequence, share: 0.5 },
      },
      sequence,
      atMs: 1_767_225_600_000 + sequence,
      previousHash,
    });
    previousHash = entry.hash;
    records.push(auditRecordOf(entry));
  }
  return records;
}

function auditor(records: readonly AuditRecord[]): Answers {
  return {
    listAudit: ({ afterSequence, pageSize }) => ({
      records: records
        .filter(({ sequence }) => sequence > afterSequence)
        .slice(0, Math.min(pageSize, 1_000)),
    }),
  };
}

async function verify(records: readonly AuditRecord[]): ReturnType<typeof runMuster> {
  await using folder = await tempDir("cli");
  await using center = await startFakeCenter(auditor(records));
  const options = { cwd: folder.path, environment: center.environment };
  return await runMuster(["audit", "verify", "-o", "json"], options);
}

describe("muster audit verify", () => {
  test("recomputes the whole chain, over pages", async () => {
    const records = chain(2_300);
    const { status, stdout } = await verify(records);
    assert.equal(status, 0);
    assert.deepEqual(JSON.parse(stdout), {
      ok: true,
      sequence: 2_300,
      hash: records.at(-1)?.hash,
    });
  });

  const broken: readonly (readonly [
    name: string,
    harm: (records: AuditRecord[]) => void,
    sequence: number,
    said: RegExp,
  ])[] = [
    [
      "a record that was changed",
      (records) => Object.assign(records[1_499] ?? {}, { actor: "operator:bob" }),
      1_500,
      /broken at record 1500: it was changed after it was written/,
    ],
    [
      "a detail that is not JSON any more",
      (records) => Object.assign(records[4] ?? {}, { detailJson: "{" }),
      5,
      /broken at record 5: it was changed/,
    ],
    [
      "a record that was taken out",
      (records) => records.splice(1_199, 1),
      1_201,
      /broken at record 1201: it does not follow the record before it/,
    ],
    [
      "a beginning that was cut off",
      (records) => records.splice(0, 3),
      4,
      /broken at record 4: it does not follow/,
    ],
  ];
  for (const [name, harm, sequence, said] of broken) {
    test(`names ${name}`, async () => {
      const records = chain(1_600);
      harm(records);
      const { status, stdout, stderr } = await verify(records);
      assert.equal(status, 1);
      assert.equal((JSON.parse(stdout) as { sequence: number }).sequence, sequence);
      assert.match(stderr, said);
    });
  }

  test("says that an empty log is empty", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter(auditor([]));
    const options = { cwd: folder.path, environment: center.environment };
    const { stdout, status } = await runMuster(["audit", "verify"], options);
    assert.deepEqual([status, stdout], [0, "The audit log is empty.\n"]);
  });
});

/** A center that answers with pages of two records, and notes what it was asked. */
function pager(asked: ListAuditRequest[]): Answers {
  const records = chain(5).toReversed();
  return {
    listAudit: (request) => {
      asked.push(request);
      const first = Number(request.pageToken);
      const size = Math.min(2, request.pageSize);
      const isLast = first + size >= records.length;
      return {
        records: records.slice(first, first + size),
        nextPageToken: isLast ? "" : String(first + size),
      };
    },
  };
}

async function list(
  answers: Answers,
  words: readonly string[],
): Promise<Awaited<ReturnType<typeof runMuster>> & { sequences: string[] }> {
  await using folder = await tempDir("cli");
  await using center = await startFakeCenter(answers);
  const options = { cwd: folder.path, environment: center.environment };
  const result = await runMuster(["audit", "list", ...words], options);
  const sequences = Array.from(result.stdout.matchAll(/^ +(\d+) /gm), ([, text = ""]) => text);
  return { ...result, sequences };
}

describe("muster audit list", () => {
  test("begins with the newest, follows pages, and says that there are more", async () => {
    const asked: ListAuditRequest[] = [];
    const { sequences, stderr } = await list(pager(asked), ["--limit", "3"]);
    assert.deepEqual(sequences, ["5", "4", "3"]);
    assert.equal(stderr, "The newest 3 are listed; there are more. --limit 0 lists all.\n");
    assert.deepEqual(
      asked.map(({ newestFirst, pageSize, pageToken }) => [newestFirst, pageSize, pageToken]),
      [
        [true, 3, ""],
        [true, 1, "2"],
      ],
    );
    assert.equal((await list(pager([]), ["--limit", "0"])).sequences.length, 5);
  });

  test("asks for what was wanted: subject, actor, time, stretch and order", async () => {
    const asked: ListAuditRequest[] = [];
    const words = ["--subject", "shop-1.4", "--actor", "ann", "--after", "7", "--before", "90"];
    const since = ["--since", "2026-01-02T03:04:05+01:00", "--oldest-first", "--tenant", "acme"];
    await list(pager(asked), [...words, ...since]);
    const [request] = asked;
    assert.deepEqual(
      [request?.subject, request?.actor, request?.afterSequence, request?.beforeSequence],
      ["shop-1.4", "ann", 7n, 90n],
    );
    assert.deepEqual([request?.newestFirst, request?.tenant], [false, "acme"]);
    assert.equal(request?.sinceMs, BigInt(Date.UTC(2026, 0, 2, 2, 4, 5)));
  });

  test("counts a duration back from now", async () => {
    const asked: ListAuditRequest[] = [];
    const before = Date.now();
    await list(pager(asked), ["--since", "2h"]);
    const agoMs = before - Number(asked[0]?.sinceMs);
    assert(agoMs <= 7_200_000 && agoMs > 7_200_000 - 60_000, `${agoMs} ms before the call`);
  });

  test("refuses a time that is none", async () => {
    const { status, stderr } = await list(pager([]), ["--since", "yesterday"]);
    assert.equal(status, 2);
    assert.match(stderr, /'yesterday' is invalid\. Give a duration like 2h or 14d, or an instant/);
  });

  test("shows who did what, when and why, after a sequence", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter(auditor(chain(3)));
    const options = { cwd: folder.path, environment: center.environment };
    const { stdout } = await runMuster(["audit", "list", "--after", "2"], options);
    assert.deepEqual(stdout.split("\n")[1]?.trim().split(/ {2,}/), [
      "3",
      "2026-01-01 00:00:00Z",
      "default",
      "operator:ann",
      "rollout.start",
      "rollout/shop-3",
      "spring",
    ]);
  });
});
