// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  DigestDictionary,
  MAX_REPORTED_DIGESTS,
  OVERFLOW_INDEX,
} from "../../../center/state/digest-dictionary.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";

const { signal } = new AbortController();
const digest = (index: number): string => index.toString(16).padStart(64, "0");

describe("the dictionary of digests", () => {
  test("gives each digest one index for ever, and nothing is 0", async () => {
    await using stack = new AsyncDisposableStack();
    const store = openDirectSqliteStore({ path: ":memory:", clock: new VirtualClock() });
    stack.defer(() => store.close());
    const before = await DigestDictionary.load(store, signal);
    assert.equal(before.pendingWrite() === null, false, "its first document");
    assert.deepEqual([before.indexOf(""), before.indexOf("a"), before.indexOf("b")], [0, 1, 2]);
    const write = before.pendingWrite();
    assert(write !== null && (await store.commit({ documents: [write] }, { signal })).ok);
    before.committed();
    assert.equal(before.pendingWrite(), null);
    const after = await DigestDictionary.load(store, signal);
    assert.deepEqual([after.indexOf("b"), after.indexOf("c")], [2, 3]);
    assert.deepEqual([after.digestOf(1), after.digestOf(99)], ["a", ""]);
  });

  test("is not used up by devices that report what they like, and fits its document", async () => {
    await using stack = new AsyncDisposableStack();
    const store = openDirectSqliteStore({ path: ":memory:", clock: new VirtualClock() });
    stack.defer(() => store.close());
    const dictionary = await DigestDictionary.load(store, signal);
    for (let index = 1; index < 2 * MAX_REPORTED_DIGESTS; index++) {
      dictionary.indexOf(digest(index));
    }
    assert.equal(dictionary.indexOf(digest(1_000_000)), OVERFLOW_INDEX);
    assert.equal(dictionary.targetIndexOf(digest(2_000_000)), MAX_REPORTED_DIGESTS);
    for (let index = 1; index <= 10_000; index++)
      dictionary.targetIndexOf(digest(3_000_000 + index));
    assert.equal(dictionary.targetIndexOf(digest(4_000_000)), -1, "no device has that index");
    const write = dictionary.pendingWrite();
    assert(write !== null && (await store.commit({ documents: [write] }, { signal })).ok);
  });
});
