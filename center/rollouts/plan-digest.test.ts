// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { planDigest } from "./plan-digest.ts";

test("a plan with fractions in it has a digest, which tells them apart", () => {
  const digests = [4.8, 4.9, 4].map((rate) =>
    planDigest({ limits: { rate }, waves: [{ end: 3 }] }),
  );
  assert.equal(new Set(digests).size, 3);
  for (const digest of digests) assert.match(digest, /^[0-9a-f]{64}$/);
  assert.equal(digests[0], planDigest({ waves: [{ end: 3 }], limits: { rate: 4.8 } }));
});
