// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FIRST_PREVIOUS_HASH, sealAuditEntry, verifyAudit } from "./audit-chain.ts";
import type { AuditEntry, Json } from "./store.ts";

function chain(details: readonly Json[]): AuditEntry[] {
  const entries: AuditEntry[] = [];
  for (const detail of details) {
    entries.push(
      sealAuditEntry({
        draft: {
          tenant: "default",
          actor: "operator:kim",
          action: "rollout.start",
          subject: "rollout/default/app-2",
          reason: "fixes “the” leak",
          detail,
        },
        sequence: entries.length + 1,
        atMs: 1_000 + entries.length,
        previousHash: entries.at(-1)?.hash ?? FIRST_PREVIOUS_HASH,
      }),
    );
  }
  return entries;
}

describe("the audit chain", () => {
  test("an untouched chain verifies, whole and page by page", () => {
    const entries = chain([null, { wave: 1 }, [1, 0.5, "x"], true]);
    const whole = verifyAudit(entries, FIRST_PREVIOUS_HASH);
    assert.deepEqual(whole, { ok: true, sequence: 4, hash: entries[3]?.hash });
    const head = verifyAudit(entries.slice(0, 2), FIRST_PREVIOUS_HASH);
    assert(head.ok);
    assert.deepEqual(verifyAudit(entries.slice(2), head.hash), whole);
  });

  test("no entries verify and leave the chain where it stood", () => {
    assert.deepEqual(verifyAudit([], "ab"), { ok: true, sequence: 0, hash: "ab" });
  });

  test("changing any field of an entry shows at that entry", () => {
    const changes: Partial<AuditEntry>[] = [
      { atMs: 0 },
      { tenant: "other" },
      { actor: "operator:eve" },
      { action: "rollout.stop" },
      { subject: "rollout/default/app-3" },
      { reason: "" },
      { detail: { percent: 0.6 } },
    ];
    for (const change of changes) {
      const entries = chain([1, { percent: 0.5 }, 3]);
      entries[1] = { ...entries[1]!, ...change };
      const verdict = verifyAudit(entries, FIRST_PREVIOUS_HASH);
      assert.deepEqual(
        verdict,
        { ok: false, sequence: 2, reason: "changed" },
        JSON.stringify(change),
      );
    }
  });

  test("removing or reordering entries shows at the first that does not follow", () => {
    const [first, second, third] = chain([1, 2, 3]) as [AuditEntry, AuditEntry, AuditEntry];
    const unlinked = (sequence: number): object => ({ ok: false, sequence, reason: "unlinked" });
    assert.deepEqual(verifyAudit([first, third], FIRST_PREVIOUS_HASH), unlinked(3));
    assert.deepEqual(verifyAudit([second, third], FIRST_PREVIOUS_HASH), unlinked(2));
    assert.deepEqual(verifyAudit([first, third, second], FIRST_PREVIOUS_HASH), unlinked(3));
  });

  test("the hash is SHA-256 over canonical JSON, so that other programs can check it", () => {
    const [entry] = chain([{ b: 1, a: 0.5 }]) as [AuditEntry];
    assert.equal(entry.hash, "907b5bfc6ba8c4824c30db39763117472e15dda735c6b7c967ab2b7f21d20409");
  });
});
