// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { BRANCHES_MET_MIN, fuzz } from "./fuzz.ts";

test("no parser throws, and the inputs meet nearly all of its branches", async () => {
  const results = await fuzz({ count: 20_000, from: 1, only: [] });
  assert.equal(results.length, 8);
  for (const { parser, throws, seeds, branches, branchesMet, missed } of results) {
    assert.equal(throws, 0, `${parser}: seeds ${seeds.join(" ")}`);
    const share = branchesMet / branches;
    assert.ok(share >= BRANCHES_MET_MIN, `${parser}: ${share}, without ${missed.join(" ")}`);
  }
});
