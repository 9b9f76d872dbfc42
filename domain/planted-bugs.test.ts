// SPDX-License-Identifier: Apache-2.0
/** Every planted bug is found by the random histories, within a bounded number of seeds. */
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { tellHistory } from "./testing/history.ts";
import { HistoryFailure } from "./testing/history-failure.ts";
import { PLANTED_BUGS } from "./testing/planted-bugs.ts";

const FIRST_SEED = 20_260_101;
/** The rarest of them needs a thousand: a pause, a resume and a rival on one device. */
const MOST_SEEDS = 2_000;

/** The first history that breaks with the bug, and how. */
function find(bug: string): HistoryFailure | null {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + MOST_SEEDS; seed++) {
    try {
      tellHistory(seed, { isPlanted: (name) => name === bug });
    } catch (error) {
      assert(error instanceof HistoryFailure);
      return error;
    }
  }
  return null;
}

describe("a planted bug is found by random histories", () => {
  for (const [bug, what] of Object.entries(PLANTED_BUGS)) {
    test(`${bug}: ${what}`, (context) => {
      const failure = find(bug);
      assert(failure !== null, `no history of ${MOST_SEEDS} notices`);
      const { seed, event, invariant } = failure;
      context.diagnostic(
        `found by seed ${seed}, the ${seed - FIRST_SEED + 1}. history, at event ${event.number} ` +
          `(${event.kind}), by the invariant ${invariant}`,
      );
    });
  }

  test("and the table names every switch in the domain", () => {
    const directory = import.meta.dirname;
    const files = readdirSync(directory).filter((name) => /^[a-z-]+\.ts$/.test(name));
    const switches = files.flatMap((name) => [
      ...readFileSync(`${directory}/${name}`, "utf8").matchAll(/isPlanted\("([a-z.-]+)"\)/g),
    ]);
    const names = new Set(switches.map((match) => match[1]));
    assert.deepEqual(names, new Set(Object.keys(PLANTED_BUGS)));
  });
});
