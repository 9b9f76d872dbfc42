// SPDX-License-Identifier: Apache-2.0
/** Releases with a floor: each device's way to them, on a real store. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { digestOf } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";

const WORKS = ["accepted", "downloading", "downloaded", "installing"] as const;

/** app@3 wants 2 at least. The first device runs 1, the second 2, the third what nobody knows. */
async function planned(spec: object = {}): Promise<CenterBench> {
  const bench = await CenterBench.open({ devices: 4, floors: { 3: "2" } });
  bench.connect(0, { digest: digestOf("1") });
  bench.connect(1, { digest: digestOf("2") });
  bench.connect(2, { digest: "f".repeat(64) });
  await bench.cycle();
  await bench.plan("up", { release: "app@3", ...spec });
  return bench;
}

async function start(bench: CenterBench): Promise<void> {
  await Promise.all([bench.command("up", "start"), bench.cycle()]);
}

/** The newest offer of the device: it installs it, and shows it. */
async function install(bench: CenterBench, ordinal: number): Promise<string> {
  const offer = bench.offers.findLast((each) => each.ordinal === ordinal);
  assert(offer !== undefined, "it was offered something");
  await bench.report(offer, [...WORKS, "installed"]);
  bench.runs(bench.ordinals.indexOf(ordinal), digestOf(offer.release.slice("app@".length)));
  await bench.cycles(5);
  return offer.release;
}

describe("a plan for a release with a floor", () => {
  test("says who needs which steps, and who has no path", async () => {
    await using bench = await planned();
    await start(bench);
    const { plan } = bench.rollout(1);
    assert.deepEqual(
      plan.targets.map(({ release }) => release),
      ["app@2", "app@3"],
    );
    assert.deepEqual(plan.starts, [
      { start: 0, deviceCount: 1, sample: ["device-0"] },
      { start: 1, deviceCount: 1, sample: ["device-1"] },
    ]);
    // The fourth has never said what it runs.
    assert.deepEqual(plan.exclusions, [
      { reason: "version-unknown", deviceCount: 2, sample: ["device-2", "device-3"] },
    ]);
    assert.equal(plan.downloadBytes, 3);
  });

  test("leaves out who is below every step", async () => {
    const bench = await CenterBench.open({ devices: 2, floors: { 3: "2", 2: "1.5" } });
    await using _ = bench;
    bench.connect(0, { digest: digestOf("1") });
    bench.connect(1, { digest: digestOf("2") });
    await bench.cycle();
    await bench.plan("up", { release: "app@3" });
    await start(bench);
    assert.deepEqual(bench.rollout(1).plan.exclusions, [
      { reason: "no-path", deviceCount: 1, sample: ["device-0"] },
    ]);
  });
});

describe("a device on its way", () => {
  test("takes a step after the other, also when the center crashes in between", async () => {
    await using bench = await planned();
    await start(bench);
    const [low = 0, high = 0] = bench.ordinals;
    assert.equal(await install(bench, high), "app@3");
    assert.equal(await install(bench, low), "app@2");
    const position = bench.rollout(1).positionOf(low);
    assert.deepEqual([bench.states(1)[position], bench.rollout(1).total.unproven], ["offered", 1]);
    await bench.crashAtPoint("center.loop.acted");
    bench.connect(0, { digest: digestOf("2") });
    await bench.cycles(2);
    assert.equal(bench.rollout(1).targetAt(position).release, "app@3");
    assert.equal(await install(bench, low), "app@3");
    const { state } = (await bench.record("up")).progress;
    assert.equal(state, "succeeded");
    const own = bench.offers.filter(({ ordinal }) => ordinal === low);
    const steps = new Set(own.map(({ release, generation }) => `${release} ${generation}`));
    assert.deepEqual([...steps], ["app@2 1", "app@3 2"]);
  });

  test("goes back to the step that it has proven", async () => {
    await using bench = await planned();
    await start(bench);
    const [low = 0, high = 0] = bench.ordinals;
    await install(bench, low);
    await install(bench, low);
    await Promise.all([bench.command("up", "rollback"), bench.cycle()]);
    await bench.cycles(25);
    const back = bench.offers.filter(({ rollout }) => rollout === 2);
    assert.deepEqual(
      new Set(back.map(({ ordinal, release }) => `${ordinal} ${release}`)),
      new Set([
        `${low} app@2`,
        // It has an offer that may have been taken.
        `${high} app@2`,
      ]),
    );
  });

  test("that stands on a step is not put back: it never had what is bad", async () => {
    await using bench = await planned({ maxInFlight: { count: 1 }, selector: "id = device-0" });
    await start(bench);
    const [low = 0] = bench.ordinals;
    const offer = bench.offers.findLast(({ ordinal }) => ordinal === low);
    assert(offer !== undefined);
    await bench.report(offer, [...WORKS, "installed"]);
    bench.runs(0, digestOf("2"));
    await bench.cycle();
    await Promise.all([bench.command("up", "pause"), bench.cycle()]);
    await bench.cycles(4);
    assert.deepEqual([bench.states(1), bench.rollout(1).total.unproven], [["pending"], 0]);
    await Promise.all([bench.command("up", "rollback"), bench.cycle()]);
    await bench.cycles(2);
    const { progress } = await bench.record("up");
    assert.equal(progress.state, "rolled-back");
    assert.match(progress.stateReason, /no device had to go back/);
  });
});
