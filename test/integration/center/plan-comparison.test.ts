// SPDX-License-Identifier: Apache-2.0
/** Two frozen plans beside each other, from a real store. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { comparePlans } from "../../../center/rollouts/plan-comparison.ts";
import { TENANT, writeDraft } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";

async function planned(): Promise<CenterBench> {
  const bench = await CenterBench.open({
    devices: 6,
    factsOf: (index) => ({ labels: { half: index < 3 ? "one" : "other" } }),
  });
  await bench.plan("some", { selector: "label.half = one" });
  await bench.plan("all", { waves: [{ count: 6 }], soakMs: 5_000, maxInFlight: { count: 2 } });
  return bench;
}

function compare(bench: CenterBench, name: string, other = ""): ReturnType<typeof comparePlans> {
  const { signal } = new AbortController();
  return comparePlans({ store: bench.store, tenant: TENANT, name, other, signal });
}

describe("a plan", () => {
  test("beside the one before it: who is new, and every setting that differs", async () => {
    await using bench = await planned();
    const { other, groups = [], settings = [] } = await compare(bench, "all");
    assert.equal(other, "some");
    const counts = groups.map(({ group, deviceCount }) => [group, deviceCount]);
    assert.deepEqual(Object.fromEntries(counts), {
      added: 3,
      removed: 0,
      earlier: 0,
      later: 0,
      same: 3,
    });
    const added = groups.find(({ group }) => group === "added");
    assert.deepEqual(added?.sample?.toSorted(), ["device-3", "device-4", "device-5"]);
    const changed = new Map(settings.map(({ name, before, after }) => [name, [before, after]]));
    assert.deepEqual(changed.get("spec.selector"), ["label.half = one", ""]);
    assert.deepEqual(changed.get("spec.soak"), ["2s", "5s"]);
    assert.deepEqual(changed.get("spec.maxInFlight"), ["100%", "2"]);
    assert.deepEqual(changed.get("plan.limits.blastRadius"), ["3", "6"]);
    assert.equal(changed.has("spec.release"), false);
  });

  test("beside one that is named: who is in it no more", async () => {
    await using bench = await planned();
    const { groups = [] } = await compare(bench, "some", "all");
    const removed = groups.find(({ group }) => group === "removed");
    assert.equal(removed?.deviceCount, 3);
  });

  test("that has none before it, or is a draft, says so and what to do", async () => {
    await using bench = await planned();
    await writeDraft(bench.store, "draft", {});
    await assert.rejects(compare(bench, "some"), /no rollout before some has a plan for app/);
    await assert.rejects(compare(bench, "all", "draft"), /draft: it has no plan to compare/);
    await assert.rejects(compare(bench, "all", "nobody"), /there is no rollout nobody/);
  });
});
