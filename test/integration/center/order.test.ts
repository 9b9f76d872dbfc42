// SPDX-License-Identifier: Apache-2.0
/** Firmware before app, in the rollout loop on a real store. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { readPlan } from "../../../center/rollouts/rollout-record.ts";
import { pruneAttempts } from "../../../center/tasks/attempt-pruner.ts";
import { countWaits } from "../../../center/rollouts/waits.ts";
import { digestOf } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";

const OS_SLOT = 0;
const FIRMWARE = 1;
const APP = 3;
const { signal } = new AbortController();

/** "firmware" (1) has one device in flight; "shop" (3), after it, is started. */
async function both(): Promise<CenterBench> {
  const bench = await CenterBench.open({ devices: 2 });
  connect(bench);
  await bench.cycle();
  await bench.plan("firmware", { release: "firmware@1", maxInFlight: { count: 1 } });
  await Promise.all([bench.command("firmware", "start"), bench.cycle()]);
  await bench.plan("shop", { after: ["firmware"] });
  await Promise.all([bench.command("shop", "start"), bench.cycle()]);
  return bench;
}

function connect(bench: CenterBench): void {
  bench.connectAll();
  bench.ordinals.forEach((_, index) => bench.runs(index, "", { slot: OS_SLOT }));
}

/** The newest offer of the firmware is installed and soaks. */
async function installFirmware(bench: CenterBench): Promise<number> {
  const offer = bench.offers.findLast(({ rollout }) => rollout === FIRMWARE);
  assert(offer !== undefined);
  await bench.report(offer, ["accepted", "downloading", "downloaded", "installing", "installed"]);
  bench.runs(bench.ordinals.indexOf(offer.ordinal), digestOf("1", "firmware"), { slot: OS_SLOT });
  await bench.cycles(5);
  return offer.ordinal;
}

function appOffers(bench: CenterBench): Set<number> {
  return new Set(bench.offers.filter(({ rollout }) => rollout === APP).map((o) => o.ordinal));
}

function waiting(bench: CenterBench): { rollout: string; deviceCount: number }[] {
  const { loop } = bench;
  const rollout = bench.rollout(APP);
  const { after, rivals } = countWaits(
    rollout,
    loop.predecessors.of(rollout, loop.openRollouts),
    loop.openRollouts,
  );
  assert.deepEqual(rivals, []);
  return [...after];
}

describe("a rollout that goes after another", () => {
  test("is offered device by device, and after a crash no other", async () => {
    await using bench = await both();
    const plan = await bench.store.getDocument("plan", "default/shop", { signal });
    assert(plan !== null);
    assert.deepEqual(readPlan(plan).waits, [{ rollout: "firmware", deviceCount: 2 }]);
    await bench.cycles(3);
    assert.equal(appOffers(bench).size, 0);
    assert.deepEqual(waiting(bench), [{ rollout: "firmware", deviceCount: 2 }]);
    const first = await installFirmware(bench);
    assert.deepEqual([...appOffers(bench)], [first]);
    await bench.crashAtPoint("center.loop.persisted");
    connect(bench);
    bench.runs(bench.ordinals.indexOf(first), digestOf("1", "firmware"), { slot: OS_SLOT });
    await bench.cycles(3);
    assert.deepEqual([...appOffers(bench)], [first]);
    await installFirmware(bench);
    assert.equal((await bench.record("firmware")).progress.state, "succeeded");
    assert.equal(appOffers(bench).size, 2);
    assert.deepEqual(waiting(bench), []);
  });

  test("keeps whom a stopped one did not bring there, also for a new center", async () => {
    await using bench = await both();
    const first = await installFirmware(bench);
    await Promise.all([bench.command("firmware", "stop"), bench.cycle()]);
    await bench.cycles(60);
    assert.equal((await bench.record("firmware")).progress.state, "stopped");
    assert.deepEqual([...appOffers(bench)], [first]);
    await bench.crashAtPoint("center.loop.persisted");
    connect(bench);
    await bench.cycles(3);
    assert.deepEqual([...appOffers(bench)], [first]);
    assert.deepEqual(waiting(bench), [{ rollout: "firmware", deviceCount: 1 }]);
  });

  test("waits for one that is planned", async () => {
    await using bench = await CenterBench.open({ devices: 1 });
    connect(bench);
    await bench.cycle();
    await bench.plan("firmware", { release: "firmware@1" });
    await bench.plan("shop", { after: ["firmware"] });
    await Promise.all([bench.command("shop", "start"), bench.cycle()]);
    await bench.cycles(3);
    assert.equal(appOffers(bench).size, 0);
  });

  test("is refused for a name that is none, the same slot, and a circle", async () => {
    await using bench = await CenterBench.open({ devices: 1 });
    const field = (after: string) => (error: { message: string; detail: { field: string } }) =>
      error.message.includes(after) && error.detail.field.startsWith("spec.after");
    await assert.rejects(bench.plan("one", { after: ["none"] }), field("no rollout none"));
    await assert.rejects(bench.plan("two", { after: ["one"] }), field("same slot, app"));
    const circle = { release: "firmware@1", after: ["three"] };
    await assert.rejects(bench.plan("three", circle), field("three after three"));
  });

  test("is refused when nobody knows any more whom the other one reached", async () => {
    await using bench = await CenterBench.open({ devices: 1 });
    connect(bench);
    await bench.cycle();
    await bench.plan("firmware", { release: "firmware@1" });
    await Promise.all([bench.command("firmware", "start"), bench.cycle()]);
    await Promise.all([bench.command("firmware", "stop"), bench.cycle()]);
    await bench.cycles(60);
    bench.clock.advance(1);
    const policy = { keepAttemptsMs: 0, keepRollouts: 0 };
    await pruneAttempts({ store: bench.store, clock: bench.clock, policy, signal });
    await assert.rejects(bench.plan("shop", { after: ["firmware"] }), /attempts were deleted/);
  });
});
