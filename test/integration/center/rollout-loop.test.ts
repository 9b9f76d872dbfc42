// SPDX-License-Identifier: Apache-2.0
/** The rollout loop on a real store and virtual time: decide, persist, act, crash in between. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { ReportPhase } from "../../../protocol/device/report.ts";
import { digestOf } from "./bench-records.ts";
import { CenterBench, OFFER_LIFETIME_MS } from "./center-bench.ts";

const INSTALL: readonly ReportPhase[] = [
  "accepted",
  "downloading",
  "downloaded",
  "installing",
  "installed",
];

/** Applied, planned, started; whoever is connected has an offer. */
async function started(devices: number, spec = {}): Promise<CenterBench> {
  const bench = await CenterBench.open({ devices });
  bench.connectAll(digestOf("1"));
  await bench.cycle();
  await bench.plan("up", spec);
  const answer = bench.command("up", "start");
  await bench.cycle();
  assert.equal((await answer).progress.state, "running");
  return bench;
}

type Offer = CenterBench["offers"][number];

async function install(bench: CenterBench, offer: Offer, version: string): Promise<void> {
  await bench.report(offer, INSTALL);
  bench.runs(bench.ordinals.indexOf(offer.ordinal), version === "" ? "" : digestOf(version));
}

describe("a good release", () => {
  test("is leased wave by wave, reported, soaked, and succeeds", async () => {
    await using bench = await started(4, { waves: [{ count: 1 }] });
    assert.deepEqual(bench.states(1), ["offered", "pending", "pending", "pending"]);
    const [first] = bench.offers;
    assert(first !== undefined);
    assert.deepEqual([first.release, first.generation, first.gateway], ["app@2", 1, 1]);
    await install(bench, first, "2");
    await bench.cycle();
    assert.equal(bench.states(1)[0], "verifying");
    await bench.cycles(4);
    assert.deepEqual(bench.states(1), ["succeeded", "offered", "offered", "offered"]);
    for (const offer of bench.offers.slice(1)) await install(bench, offer, "2");
    await bench.cycles(5);
    const record = await bench.record("up");
    assert.equal(record.progress.state, "succeeded");
    assert.equal(record.progress.maxUnproven, 3);
    assert(record.endedAtMs > record.startedAtMs);
    assert.deepEqual(
      bench.outcomes,
      Array.from({ length: 20 }, () => "changed"),
    );
  });
});

describe("a crash", () => {
  test("takes nothing from the soak of a device that only drops by after it", async () => {
    await using bench = await started(1, { soakMs: 60_000 });
    const [offer] = bench.offers;
    assert(offer !== undefined);
    await bench.cycles(4); // what it runs now is stored
    await install(bench, offer, "2");
    await bench.cycles(2, 200);
    assert.equal(bench.states(1)[0], "verifying");
    await bench.crashAtPoint("center.loop.acted");
    // A session in which it says nothing, and which ends at once.
    const { fence } = bench.fleet.open(offer.ordinal, 1);
    bench.fleet.close(offer.ordinal, fence, bench.clock.wallMs());
    await bench.cycles(2);
    assert.equal(bench.states(1)[0], "verifying");
    bench.connect(0, { digest: digestOf("2") });
    await bench.cycles(62);
    assert.equal((await bench.record("up")).progress.state, "succeeded");
  });

  for (const point of ["decided", "persisted", "acted"]) {
    test(`after ${point} leases every offer again, under its one generation`, async () => {
      await using bench = await started(3, { waves: [{ count: 1 }] });
      const [first] = bench.offers;
      assert(first !== undefined);
      await install(bench, first, "2");
      await bench.cycles(2);
      // The cycle in which the first device succeeds and the second wave is leased.
      bench.clock.advance(1_800);
      await bench.crashAtPoint(`center.loop.${point}`);
      bench.connectAll(digestOf("1"));
      bench.connect(bench.ordinals.indexOf(first.ordinal), { digest: digestOf("2") });
      bench.sent.length = 0;
      await bench.cycles(4);
      assert.deepEqual(bench.states(1), ["succeeded", "offered", "offered"]);
      const again = bench.offers.map(({ position, generation }) => [position, generation]);
      assert.deepEqual(again, [
        [1, 1],
        [2, 1],
      ]);
    });

    test(`after ${point} takes each report into account once`, async () => {
      await using bench = await started(1);
      const [offer] = bench.offers;
      assert(offer !== undefined);
      await bench.report(offer, ["accepted", "downloading"]);
      await bench.crashAtPoint(`center.loop.${point}`);
      const applied = bench.outcomes.splice(0);
      assert.deepEqual(applied, ["changed", "changed"]);
      await bench.cycle();
      assert.equal(bench.states(1)[0], "downloading");
      assert.deepEqual(bench.outcomes, point === "decided" ? applied : []);
    });
  }

  test("between decide and persist loses a command, and whoever gave it hears of it", async () => {
    await using bench = await started(1);
    const answer = bench.command("up", "pause");
    const refused = assert.rejects(answer, /center\.loop\.decided/);
    await bench.crashAtPoint("center.loop.decided");
    await refused;
    assert.equal((await bench.record("up")).progress.state, "running");
  });

  test("after a stop was stored leaves it in force", async () => {
    await using bench = await started(2);
    const answer = bench.command("up", "stop");
    await bench.crashAtPoint("center.loop.persisted");
    bench.connectAll(digestOf("1"));
    bench.sent.length = 0;
    await assert.rejects(answer, /center\.loop\.persisted/, "whether it took place is not known");
    await bench.cycles(Math.ceil(OFFER_LIFETIME_MS / 1_000) + 1);
    assert.equal((await bench.record("up")).progress.state, "stopped");
    assert.deepEqual(bench.sent, []);
  });
});

test("a generation that was offered is not drawn again after a crash", async () => {
  await using bench = await CenterBench.open({ devices: 2 });
  await bench.plan("up");
  await Promise.all([bench.command("up", "start"), bench.cycle()]);
  bench.connectAll(digestOf("1"));
  await bench.cycle();
  const [offered] = bench.offers;
  assert(offered !== undefined);
  await bench.crashAtPoint("center.loop.acted");
  assert(bench.loop.running.drawGeneration(offered.ordinal) > offered.generation);
});

describe("a commit that fails", () => {
  for (const fault of ["conflict", "no_space", "answer-lost"] as const) {
    test(`with ${fault}: what came meanwhile takes effect, and everything is leased`, async () => {
      await using bench = await started(2, { waves: [{ count: 1 }] });
      const [first] = bench.offers;
      assert(first !== undefined);
      await bench.report(first, INSTALL);
      bench.runs(bench.ordinals.indexOf(first.ordinal), digestOf("2"));
      bench.store.faults.push(fault);
      await bench.cycle();
      await bench.cycles(5);
      assert.deepEqual(bench.states(1), ["succeeded", "offered"]);
      assert.equal(bench.offers.at(-1)?.position, 1, "no gateway heard of it before");
    });

    test(`with ${fault} in the cycle that leases: the offers go out after it`, async () => {
      await using bench = await CenterBench.open({ devices: 3 });
      await bench.plan("up");
      await Promise.all([bench.command("up", "start"), bench.cycle()]);
      bench.connectAll(digestOf("1"));
      bench.store.faults.push(fault);
      await bench.cycle();
      await bench.cycle();
      const generations = bench.offers.map(({ generation }) => generation);
      // What was drawn in a cycle that was not stored is left out.
      const generation = fault === "answer-lost" ? 1 : 2;
      assert.deepEqual(generations, [generation, generation, generation]);
    });
  }

  test("because the Store is away waits until it can be read, and goes on", async () => {
    await using bench = await started(2, { waves: [{ count: 1 }] });
    const [first] = bench.offers;
    assert(first !== undefined);
    await bench.report(first, INSTALL);
    bench.runs(bench.ordinals.indexOf(first.ordinal), digestOf("2"));
    bench.store.faults.push("away");
    bench.store.failingLists = 3;
    await bench.cycle();
    assert.equal(bench.store.failingLists, 0, "it was read again until it answered");
    await bench.cycles(5);
    assert.deepEqual(bench.states(1), ["succeeded", "offered"]);
  });

  test("refuses the command of that cycle", async () => {
    await using bench = await started(1);
    const refused = assert.rejects(bench.command("up", "pause"), { code: "no_space" });
    bench.store.faults.push("no_space");
    await bench.cycle();
    await refused;
    await bench.cycle();
    assert.equal((await bench.record("up")).progress.state, "running");
  });

  test("after a stop took place tells every gateway all the same", async () => {
    await using bench = await started(1);
    void bench.command("up", "stop").catch(() => undefined);
    bench.store.faults.push("answer-lost");
    await bench.cycle();
    assert.deepEqual(bench.stopEpochs, [{ rollout: 1, stopEpoch: 1 }]);
    assert.equal((await bench.record("up")).progress.state, "stopping");
  });

  test("because another center leads now ends this one", async () => {
    await using bench = await started(1);
    await bench.store.acquireFence("leader", { signal: new AbortController().signal });
    bench.connectAll(digestOf("3"));
    await bench.cycle();
    const error = await bench.ended;
    assert.match(String(error), /not the leader any more/);
    await bench.start();
  });
});

describe("a lease", () => {
  const giveBack = (bench: CenterBench, offer: Offer, sent: boolean): void => {
    const { leaseId, rollout, position, generation } = offer;
    bench.inbox.put({ kind: "return", leaseId, rollout, position, generation, sent });
  };

  test("that comes back unsent is given out again, under its generation", async () => {
    await using bench = await started(1);
    const [offer] = bench.offers;
    assert(offer !== undefined);
    giveBack(bench, offer, false);
    await bench.cycle();
    const again = bench.offers.at(-1);
    assert.deepEqual([bench.offers.length, again?.generation], [2, 1]);
    assert.notEqual(again?.leaseId, offer.leaseId);
  });

  test("of before is not heard when a newer one has the attempt", async () => {
    await using bench = await started(1);
    const [offer] = bench.offers;
    assert(offer !== undefined);
    bench.connect(0, { gateway: 2, digest: digestOf("1") });
    await bench.cycle();
    assert.deepEqual([bench.offers.at(-1)?.gateway, bench.offers.at(-1)?.generation], [2, 1]);
    giveBack(bench, offer, false);
    await bench.cycle();
    assert.deepEqual([bench.states(1)[0], bench.offers.length], ["offered", 2]);
  });

  test("at a gateway that hangs is void when its device is at another", async () => {
    await using bench = await started(1);
    bench.online.delete(1); // its stream is open, and it is silent
    await bench.cycles(3);
    assert.equal(bench.offers.length, 1);
    bench.connect(0, { gateway: 2, digest: digestOf("1") });
    await bench.cycle();
    assert.deepEqual(
      bench.offers.map(({ gateway }) => gateway),
      [1, 2],
    );
  });

  test("of a device that was away is not expired before its answer could come", async () => {
    await using bench = await started(1);
    const [offer] = bench.offers;
    assert(offer !== undefined);
    bench.fleet.close(offer.ordinal, bench.fleet.fenceOf(offer.ordinal), 0);
    giveBack(bench, offer, true);
    await bench.cycles(3 * (OFFER_LIFETIME_MS / 1_000));
    bench.connect(0, { digest: digestOf("1") });
    await bench.cycle();
    await bench.report(offer, ["accepted"]);
    await bench.cycle();
    assert.deepEqual([bench.states(1)[0], bench.outcomes], ["accepted", ["changed"]]);
  });

  test("that a dead gateway had is not expired before the answer could come", async () => {
    await using bench = await started(1);
    const [offer] = bench.offers;
    assert(offer !== undefined);
    bench.online.delete(1);
    bench.desk.dropGateway(1);
    await bench.cycles(3 * (OFFER_LIFETIME_MS / 1_000));
    bench.online.add(1);
    bench.connect(0, { digest: digestOf("1") });
    await bench.cycle();
    await bench.report(offer, ["accepted"]);
    await bench.cycle();
    assert.deepEqual([bench.states(1)[0], bench.outcomes], ["accepted", ["changed"]]);
  });
});

test("more failures than a commit holds, of several rollouts at once, fit one", async () => {
  await using bench = await CenterBench.open({ devices: 1_800 });
  bench.connectAll(digestOf("1"));
  await bench.cycle();
  const isOne = "id ~ device-1*";
  const isTwo = "id ~ device-2*";
  const selectors = { one: isOne, two: isTwo, three: `not (${isOne} or ${isTwo})` };
  for (const [name, selector] of Object.entries(selectors)) {
    await bench.plan(name, { selector, onStop: "pause" });
    await Promise.all([bench.command(name, "start"), bench.cycle()]);
  }
  assert.equal(bench.offers.length, 1_800);
  const text = "what the device said";
  await bench.reportAll(bench.offers.map((at) => ({ ...at, phase: "failed", sequence: 1, text })));
  await bench.cycle();
  assert.equal(bench.rollout(3).total.failures, 111);
  const { signal } = new AbortController();
  const listing = { prefix: "", limit: 1_000, signal };
  const kept = await bench.store.listDocuments("attempt-detail", listing);
  assert.equal(kept.length, 1_000, "enough to see a pattern");
});

test("reports of a rollout that is not open, or of another device, are foreign", async () => {
  await using bench = await started(2);
  const [offer] = bench.offers;
  assert(offer !== undefined);
  await bench.report({ ...offer, rollout: 99 }, ["accepted"]);
  await bench.report({ ...offer, ordinal: offer.ordinal === 1 ? 2 : 1 }, ["failed"]);
  await bench.report({ ...offer, position: 1_000_000 }, ["failed"]);
  await bench.cycle();
  assert.deepEqual(bench.outcomes, ["foreign", "foreign", "foreign"]);
  assert.deepEqual(bench.states(1), ["offered", "offered"]);
});
