// SPDX-License-Identifier: Apache-2.0
/** What is kept of a verified token, and until when. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OperatorTokens } from "../../../center/api/operator-tokens.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import type { Store } from "../../../ports/store.ts";
import { systemRandom } from "../../../runtime/system-random.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";

const { signal } = new AbortController();
const LIFETIME_MS = 60_000;

async function setUp(): Promise<{
  clock: VirtualClock;
  tokens: OperatorTokens;
  authorization: string;
  tokenId: string;
  reads: () => number;
  store: Store;
}> {
  const clock = new VirtualClock();
  const store = openDirectSqliteStore({ path: ":memory:", clock });
  let reads = 0;
  const counting = Object.assign(Object.create(store) as typeof store, {
    getDocument: (...args: Parameters<Store["getDocument"]>) => {
      reads++;
      return store.getDocument(...args);
    },
  });
  const key = systemRandom.bytes(32);
  const tokens = new OperatorTokens({ store: counting, clock, random: systemRandom, key });
  const what = { name: "ann", tenant: "*", role: "admin" as const, lifetimeMs: LIFETIME_MS };
  const { token, record, write } = await tokens.create(what);
  assert((await store.commit({ documents: [write] }, { signal })).ok);
  const { tokenId } = record;
  return { clock, tokens, authorization: `Bearer ${token}`, tokenId, reads: () => reads, store };
}

describe("an operator token", () => {
  test("is read once, and believed until it expires", async () => {
    const { clock, tokens, authorization, reads } = await setUp();
    for (let call = 0; call < 3; call++) {
      assert.equal((await tokens.verify(authorization, signal)).name, "ann");
    }
    assert.equal(reads(), 1);
    clock.advance(LIFETIME_MS);
    await assert.rejects(tokens.verify(authorization, signal), /has expired/);
  });

  test("is read each time once somebody revokes it, and refused when that is stored", async () => {
    const { tokens, authorization, tokenId, reads, store } = await setUp();
    await tokens.verify(authorization, signal);
    const revocation = await tokens.revocation(tokenId, signal);
    assert(revocation !== null);
    const before = reads();
    await tokens.verify(authorization, signal);
    await tokens.verify(authorization, signal);
    assert.equal(reads(), before + 2);
    assert((await store.commit({ documents: [revocation.write] }, { signal })).ok);
    await assert.rejects(tokens.verify(authorization, signal), /was revoked/);
  });

  test("that was changed by a letter is not the one that was believed", async () => {
    const { tokens, authorization } = await setUp();
    await tokens.verify(authorization, signal);
    await assert.rejects(tokens.verify(`${authorization}x`, signal), /not one of this/);
  });
});
