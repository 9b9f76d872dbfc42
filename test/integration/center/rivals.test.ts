// SPDX-License-Identifier: Apache-2.0
/** Two rollouts that want the same devices, in the rollout loop on a real store. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readPlan, type PlanRecord } from "../../../center/rollouts/rollout-record.ts";
import type { RolloutSpec } from "../../../domain/rollout.ts";
import type { ReportPhase } from "../../../protocol/device/report.ts";
import { digestOf } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";

const INSTALL: readonly ReportPhase[] = [
  "accepted",
  "downloading",
  "downloaded",
  "installing",
  "installed",
];
const { signal } = new AbortController();

/** Rollout 1, "first", of app@2 has one device in flight; 3, "second", is started. */
async function both(second: Partial<RolloutSpec> = {}): Promise<CenterBench> {
  const bench = await CenterBench.open({ devices: 2 });
  bench.connectAll(digestOf("1"));
  await bench.cycle();
  await bench.plan("first", { maxInFlight: { count: 1 } });
  await Promise.all([bench.command("first", "start"), bench.cycle()]);
  await bench.plan("second", { release: "app@3", ...second });
  await Promise.all([bench.command("second", "start"), bench.cycle()]);
  return bench;
}

async function planOf(bench: CenterBench, name: string): Promise<PlanRecord> {
  const document = await bench.store.getDocument("plan", `default/${name}`, { signal });
  assert(document !== null);
  return readPlan(document);
}

async function installAll(bench: CenterBench, rollout: number, version: string): Promise<void> {
  for (const offer of bench.offers.filter((sent) => sent.rollout === rollout)) {
    await bench.report(offer, INSTALL);
    bench.runs(bench.ordinals.indexOf(offer.ordinal), digestOf(version));
  }
  await bench.cycles(5);
}

describe("two rollouts of one slot", () => {
  test("are named in the plan of the second: how many devices, and who goes first", async () => {
    await using bench = await both();
    const [conflict, ...more] = (await planOf(bench, "second")).conflicts;
    assert.deepEqual(more, []);
    const { rollout, slot, deviceCount, winner, sample } = conflict ?? {};
    assert.deepEqual([rollout, slot, deviceCount, winner], ["first", "app", 2, "this"]);
    assert.deepEqual(sample?.toSorted(), ["device-0", "device-1"]);
    assert.deepEqual((await planOf(bench, "first")).conflicts, []);
  });

  test("are never both at work on a device; the newer goes first, and supersedes", async () => {
    await using bench = await both();
    const busy = bench.offers.find(({ rollout }) => rollout === 1);
    assert(busy !== undefined);
    // What the first had offered is finished; the other device is the second's.
    const second = bench.rollout(3);
    assert.equal(second.stateAt(second.positionOf(busy.ordinal)), 0, "it waits for the device");
    assert.equal(bench.offers.filter(({ rollout }) => rollout === 3).length, 1);
    await installAll(bench, 3, "3");
    await installAll(bench, 1, "2");
    const { progress } = await bench.record("first");
    assert.equal(progress.state, "succeeded", progress.stateReason);
    await installAll(bench, 3, "3");
    assert.equal((await bench.record("second")).progress.state, "succeeded");
    const generations = bench.offers.map(({ rollout, ordinal }) => `${rollout}/${ordinal}`);
    assert.equal(generations.filter((key) => key === `1/${busy.ordinal}`).length, 1);
    assert.equal(generations.filter((key) => key.startsWith("1/")).length, 1, "one was outdone");
  });

  test("one that resumes leaves alone whom another one has taken up meanwhile", async () => {
    await using bench = await CenterBench.open({ devices: 1 });
    bench.connectAll(digestOf("1"));
    await bench.cycle();
    await bench.plan("first");
    await Promise.all([bench.command("first", "start"), bench.cycle()]);
    await Promise.all([bench.command("first", "pause"), bench.cycle()]);
    // Its offer was never answered, and nobody accepts it any more.
    await bench.cycles(2 * (bench.rollout(1).frame.offerLifetimeMs / 1_000) + 1);
    await bench.plan("second", { release: "app@3" });
    await Promise.all([bench.command("second", "start"), bench.cycle()]);
    const offer = bench.offers.find(({ rollout }) => rollout === 3);
    assert(offer !== undefined, "the second has the device");
    await bench.report(offer, ["accepted", "downloading"]);
    await Promise.all([bench.command("first", "resume"), bench.cycle()]);
    await bench.cycles(3);
    const ofFirst = (): number => bench.offers.filter(({ rollout }) => rollout === 1).length;
    assert.equal(ofFirst(), 1, "it waits");
    await bench.report(offer, ["downloaded", "installing", "installed"], 3);
    bench.runs(0, digestOf("3"));
    await bench.cycles(5);
    assert.equal((await bench.record("second")).progress.state, "succeeded");
    assert.equal((await bench.record("first")).progress.state, "succeeded");
    assert.equal(ofFirst(), 1, "it has lost the device");
  });

  test("with a lower priority the newer one waits, and is superseded in the end", async () => {
    await using bench = await both({ priority: -1 });
    assert.equal((await planOf(bench, "second")).conflicts[0]?.winner, "other");
    assert.deepEqual(bench.states(3), ["pending", "pending"]);
    await installAll(bench, 1, "2");
    await installAll(bench, 1, "2");
    assert.equal((await bench.record("first")).progress.state, "succeeded");
    assert.equal(bench.offers.filter(({ rollout }) => rollout === 3).length, 0);
    const { progress } = await bench.record("second");
    assert.equal(progress.state, "succeeded", "superseded attempts are neutral");
  });
});
