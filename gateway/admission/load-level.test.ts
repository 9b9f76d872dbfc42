// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test } from "node:test";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import { LoadLevel } from "./load-level.ts";

test("a process is overloaded above nine tenths, until it has recovered below seven", () => {
  const clock = new VirtualClock();
  let use = 0;
  const level = new LoadLevel({ clock, logger: SILENT_LOGGER, loopUse: () => use });
  level.start();
  const after = (nextUse: number): boolean => {
    use = nextUse;
    clock.advance(250);
    assert.equal(level.use, nextUse);
    return level.isOverloaded;
  };
  assert.deepEqual([0.5, 0.89].map(after), [false, false]);
  assert.deepEqual([0.91, 0.8, 0.71, 0.95].map(after), [true, true, true, true]);
  assert.deepEqual([0.69, 0.8, 0.9].map(after), [false, false, false]);
  level.stop();
  assert.equal(clock.timerCount, 0);
});
