// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { ATTEMPT, CELL_FLAGS } from "./attempt.ts";
import { CELLS_PER_PAGE, createAttemptPage, type AttemptPage } from "./attempt-page.ts";
import { SliceTally } from "./slice-tally.ts";
import type { SlicedPlan } from "./slices.ts";

const { exposed, failed, settled } = CELL_FLAGS;
const DEVICES = CELLS_PER_PAGE + 100;
const SLICES = 40;

/** Two facts: a device in twenty slices of each; a site for every seven devices. */
const PLAN: SlicedPlan = {
  slices: Array.from({ length: SLICES }, (_, index) => ({
    name: `slice ${index}`,
    deviceCount: 1,
    siteCount: 1,
  })),
  columns: [
    Uint8Array.from({ length: DEVICES }, (_, position) => position % 20),
    Uint8Array.from({ length: DEVICES }, (_, position) => 20 + ((position * 7) % 20)),
  ],
  sites: Uint32Array.from({ length: DEVICES }, (_, position) => Math.floor(position / 7)),
  siteCount: Math.ceil(DEVICES / 7),
};
const WAVES = [
  { start: 0, end: 50 },
  { start: 50, end: DEVICES },
];

function makePages(): AttemptPage[] {
  return [createAttemptPage(0, CELLS_PER_PAGE), createAttemptPage(1, DEVICES - CELLS_PER_PAGE)];
}

function set(pages: readonly AttemptPage[], position: number, flags: number, state?: number): void {
  const page = pages[Math.floor(position / CELLS_PER_PAGE)]!;
  const cell = position % CELLS_PER_PAGE;
  page.flags[cell] = (page.flags[cell] ?? 0) | flags;
  if (state !== undefined) page.state[cell] = state;
}

/** All from scratch, with sets. */
function countAnew(pages: readonly AttemptPage[], isCounted: (position: number) => boolean) {
  const sitesAccepted = new Set<number>();
  const sitesFailed = new Set<number>();
  let accepted = 0;
  let failures = 0;
  for (let position = 0; position < DEVICES; position++) {
    if (!isCounted(position)) continue;
    const flags = pages[Math.floor(position / CELLS_PER_PAGE)]!.flags[position % CELLS_PER_PAGE]!;
    if ((flags & exposed) !== 0) accepted++;
    if ((flags & failed) !== 0) failures++;
    if ((flags & exposed) !== 0) sitesAccepted.add(PLAN.sites[position]!);
    if ((flags & failed) !== 0) sitesFailed.add(PLAN.sites[position]!);
  }
  return {
    accepted,
    failures,
    sitesAccepted: sitesAccepted.size,
    sitesFailed: sitesFailed.size,
  };
}

const inSlice =
  (slice: number) =>
  (position: number): boolean =>
    PLAN.columns.some((column) => column[position] === slice);

describe("the tally by slice and site", () => {
  test("is what counting anew gives, however the pages change and whenever it looks", () => {
    const change = fc.record({
      position: fc.integer({ min: 0, max: DEVICES - 1 }),
      flags: fc.constantFrom(exposed, exposed | failed, exposed | settled, settled),
      looks: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 120 }), (changes) => {
        const pages = makePages();
        const tally = new SliceTally(PLAN);
        for (const { position, flags, looks } of changes) {
          set(pages, position, flags);
          if (looks) for (const page of pages) tally.look(page);
        }
        for (const page of pages) tally.look(page);
        for (let slice = 0; slice < SLICES; slice++) {
          assert.deepEqual(tally.slice(slice), countAnew(pages, inSlice(slice)));
        }
        const all = countAnew(pages, () => true);
        assert.deepEqual(tally.sites, { accepted: all.sitesAccepted, failed: all.sitesFailed });
      }),
      { seed: 1, numRuns: 40 },
    );
  });

  test("of slices that are held: what is kept out, and the sites of the rest", () => {
    const pages = makePages();
    const tally = new SliceTally(PLAN);
    set(pages, 3, exposed | failed, ATTEMPT.failed); // slice 3, and 21 of the other fact
    set(pages, 4, exposed, ATTEMPT.succeeded); // slice 4
    set(pages, 4_143, exposed, ATTEMPT.accepted); // slice 3
    for (const page of pages) tally.look(page);
    const { held, underWay } = tally.sight(() => pages, WAVES, [3, 21]);
    assert.equal(held?.accepted, 2);
    assert.equal(held?.failures, 1);
    const isHeld = (position: number): boolean => inSlice(3)(position) || inSlice(21)(position);
    const positions = Array.from({ length: DEVICES }, (_, position) => position).filter(isHeld);
    const first = positions.filter((position) => position < 50).length;
    assert.deepEqual(held?.pending, [first - 1, positions.length - first - 1]);
    assert.deepEqual(held?.restSites, { accepted: 1, failed: 0 });
    for (let slice = 0; slice < SLICES; slice++) {
      const isRest = (position: number): boolean => inSlice(slice)(position) && !isHeld(position);
      assert.deepEqual(held?.restSlices[slice], countAnew(pages, isRest));
    }
    assert.equal(underWay()[3], 1);
    assert.equal(underWay()[4], 0);
    assert.equal(tally.sight(() => pages, WAVES, []).held, null);
  });
});
