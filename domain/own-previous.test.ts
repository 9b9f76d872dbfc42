// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ATTEMPT, CELL_FLAGS } from "./attempt.ts";
import { createAttemptPage, UNKNOWN_RELEASE, type AttemptPage } from "./attempt-page.ts";
import { mayNotHaveInstalled, noteOwnPrevious } from "./own-previous.ts";
import { withWayBack } from "./path-step.ts";

const AT_ITS_OFFER = 1;
const TARGET = 3;

function pageOf(flags: number = CELL_FLAGS.exposed): AttemptPage {
  const page = createAttemptPage(0, 1);
  page.state[0] = ATTEMPT.accepted;
  page.flags[0] = flags;
  page.previous[0] = AT_ITS_OFFER;
  return page;
}

function previousAfter(page: AttemptPage, runs: number): number | undefined {
  noteOwnPrevious(page, 0, { runs, target: TARGET });
  return page.previous[0];
}

describe("what a device goes back to", () => {
  test("is what it runs before it installs, whatever it ran at its offer", () => {
    assert.equal(previousAfter(pageOf(), 2), 2);
  });

  test("is known from then on where it was not when it was offered", () => {
    const page = pageOf();
    page.previous[0] = UNKNOWN_RELEASE;
    assert.equal(previousAfter(page, 2), 2);
  });

  test("is neither nothing, nor unknown, nor the release itself", () => {
    for (const runs of [0, -1, TARGET]) assert.equal(previousAfter(pageOf(), runs), AT_ITS_OFFER);
  });

  test("is kept while it goes back", () => {
    assert.equal(previousAfter(pageOf(withWayBack(CELL_FLAGS.exposed, false)), 2), AT_ITS_OFFER);
  });

  test("says whether anything has changed", () => {
    const page = pageOf();
    assert.equal(noteOwnPrevious(page, 0, { runs: 2, target: TARGET }), true);
    assert.equal(noteOwnPrevious(page, 0, { runs: 2, target: TARGET }), false);
  });

  test("may change until it waits, installs, or has ended", () => {
    const may = Object.entries(ATTEMPT).flatMap(([name, state]) =>
      mayNotHaveInstalled(state) ? [name] : [],
    );
    assert.deepEqual(may, ["offered", "accepted", "downloading", "downloaded"]);
  });
});
