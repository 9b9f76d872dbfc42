// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { CELLS_PER_PAGE } from "../../domain/attempt-page.ts";
import { UNSLICED, type SlicedPlan } from "../../domain/slices.ts";
import type { PageContent } from "../../ports/store.ts";
import { decodeSlicePages, encodeSlicePages, slicePageIds } from "./slice-pages.ts";

const stored = (writes: readonly PageContent[]) =>
  writes.map((write) => ({ ...write, version: 1, owner: write.owner }));

describe("pages of slices", () => {
  for (const deviceCount of [1, CELLS_PER_PAGE, CELLS_PER_PAGE + 3]) {
    for (const facts of [0, 1, 3]) {
      test(`${deviceCount} devices by ${facts} facts read back as they were written`, () => {
        const plan: SlicedPlan = {
          slices: [{ name: "region eu", deviceCount, siteCount: 2 }],
          columns: Array.from({ length: facts }, (_, fact) =>
            Uint8Array.from({ length: deviceCount }, (_, position) => (position * 7 + fact) % 64),
          ),
          sites: Uint32Array.from({ length: deviceCount }, (_, position) => position * 1_000_003),
          siteCount: 70_000,
        };
        const writes = encodeSlicePages(7, plan);
        const ids = slicePageIds(7, { deviceCount, siteCount: plan.siteCount });
        assert.deepEqual(
          writes.map(({ kind, owner, number }) => ({ kind, owner, number })),
          ids,
        );
        const pages = stored(writes).reverse();
        assert.deepEqual(decodeSlicePages({ ...plan, deviceCount }, pages), plan);
      });
    }
  }

  test("there are none when nothing is told apart", () => {
    assert.deepEqual(encodeSlicePages(7, UNSLICED), []);
    assert.deepEqual(slicePageIds(7, { deviceCount: 5, siteCount: 0 }), []);
    const empty = { deviceCount: 5, siteCount: 0, slices: [] };
    assert.equal(decodeSlicePages(empty, []), UNSLICED);
  });
});
