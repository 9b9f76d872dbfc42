// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { NO_VALUE, SharedValues } from "./shared-values.ts";

test("a text is kept once for all its holders, and goes with the last one", () => {
  const values = new SharedValues();
  const first = values.take("a");
  assert.notEqual(first, NO_VALUE);
  assert.equal(values.take("a"), first);
  assert.notEqual(values.take("b"), first);
  values.release(first);
  assert.deepEqual([values.value(first), values.count], ["a", 2]);
  values.release(first);
  assert.equal(values.count, 1);
  assert.throws(() => values.value(first));
  assert.throws(() => values.release(first));
});

test("numbers are used again, so memory follows what is held", () => {
  const values = new SharedValues();
  const most = Array.from({ length: 1_000 }, (_, index) => values.take(`text ${index}`));
  for (const index of most) values.release(index);
  const again = Array.from({ length: 1_000 }, (_, index) => values.take(`other ${index}`));
  assert.deepEqual(new Set(again), new Set(most));
  assert.equal(values.value(again[7] ?? 0), "other 7");
});
