// SPDX-License-Identifier: Apache-2.0
/**
 * A small storm finds out bugs that are planted in product code (`isPlanted("…")`; the code beside
 * each says what it does wrong), each by the checker that is about it. Seeds are committed: with
 * another seed it may take longer.
 */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { simulated } from "./simulated.ts";

const SIZE = { minutes: 40, devices: 10 };

describe("a small storm finds out", () => {
  for (const { bug, seed, invariant, what } of [
    {
      bug: "engine.skip-gate",
      seed: "21",
      invariant: "waves",
      what: "a wave that does not wait for the gate of the one before",
    },
    {
      bug: "dispatch.ignore-waves",
      seed: "1",
      invariant: "waves",
      what: "offers of waves that are not open",
    },
    {
      bug: "dispatch.ignore-budget",
      seed: "1",
      invariant: "in-flight",
      what: "a dispatcher that ignores the plan's limits",
    },
    {
      bug: "dispatch.ignore-stop",
      seed: "6",
      invariant: "stops",
      what: "offers that are made although the rollout is paused",
    },
  ]) {
    test(`${what} (${bug})`, async () => {
      const { result } = await simulated({ ...SIZE, seed, planted: bug });
      const found = result.violations.filter((sentence) => sentence.startsWith(`${invariant}: `));
      assert.ok(found.length > 0, `nothing about ${invariant}: ${result.violations.join("; ")}`);
    });
  }
});
