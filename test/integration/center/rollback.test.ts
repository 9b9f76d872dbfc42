// SPDX-License-Identifier: Apache-2.0
/** The rollback of a rollout, on a real store: each device goes back to its own old release. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { ATTEMPT } from "../../../domain/attempt.ts";
import { digestOf } from "./bench-records.ts";
import { CenterBench, OFFER_LIFETIME_MS } from "./center-bench.ts";

const INSTALLED = ["accepted", "installing", "installed"] as const;
const OFFERS_EXPIRE = OFFER_LIFETIME_MS / 1_000 + 1;

/** Three devices on app@1, app@3 and nothing; app@2 reaches the first two. */
async function halfWay(digests: readonly string[], spec = {}): Promise<CenterBench> {
  const bench = await CenterBench.open({ devices: digests.length });
  digests.forEach((digest, index) => bench.connect(index, { digest }));
  await bench.cycle();
  await bench.plan("up", spec);
  await Promise.all([bench.command("up", "start"), bench.cycle()]);
  return bench;
}

async function install(bench: CenterBench, device: number, digest: string): Promise<void> {
  const ordinal = bench.ordinals[device];
  const offer = bench.offers.findLast((made) => made.ordinal === ordinal);
  assert(offer !== undefined, `device ${device} has an offer`);
  await bench.report(offer, INSTALLED);
  bench.runs(device, digest);
}

describe("a rollback", () => {
  test("is a rollout of its own that puts each device on its own previous release", async () => {
    await using bench = await halfWay([digestOf("1"), digestOf("3"), ""]);
    for (const device of [0, 1, 2]) await install(bench, device, digestOf("2"));
    await bench.cycles(5);
    assert.equal((await bench.record("up")).progress.state, "succeeded");
    bench.sent.length = 0;
    await Promise.all([bench.command("up", "rollback"), bench.cycle()]);
    await bench.cycle();
    const parent = await bench.record("up");
    const child = await bench.record("up-rollback");
    assert.deepEqual([parent.progress.state, parent.child], ["rolling-back", "up-rollback"]);
    assert.deepEqual([child.number, child.parent, child.progress.state], [2, "up", "running"]);
    const releases = bench.ordinals.map(
      (ordinal) => bench.offers.find((offer) => offer.ordinal === ordinal)?.release,
    );
    assert.deepEqual(releases, ["app@1", "app@3", ""], "what the third ran was nothing");
    assert(bench.offers.every(({ generation }) => generation === 2));
    await install(bench, 0, digestOf("1"));
    await install(bench, 1, digestOf("3"));
    await install(bench, 2, "");
    await bench.cycles(3);
    const after = await bench.record("up");
    assert.equal(after.progress.state, "rolled-back");
    assert.match(after.progress.stateReason, /every exposed device is back on what it ran before$/);
  });

  test("leaves a device alone that had not measured what it ran", async () => {
    await using bench = await CenterBench.open({ devices: 2 });
    bench.connectAll(digestOf("1"));
    bench.runs(1, "", { healthy: false });
    await bench.cycle();
    await bench.plan("up");
    await Promise.all([bench.command("up", "start"), bench.cycle()]);
    for (const device of [0, 1]) await install(bench, device, digestOf("2"));
    await bench.cycles(5);
    bench.sent.length = 0;
    await Promise.all([bench.command("up", "rollback"), bench.cycle()]);
    await bench.cycle();
    assert.deepEqual(
      bench.offers.map(({ ordinal, release }) => [ordinal, release]),
      [[bench.ordinals[0], "app@1"]],
      "the other one would be put on nothing",
    );
    await install(bench, 0, digestOf("1"));
    await bench.cycles(3);
    const { progress } = await bench.record("up");
    assert.match(progress.stateReason, /1 device went back, 1 did not$/);
  });

  test("leaves counts of how its rollout ended at last, not as it had ended before", async () => {
    await using bench = await halfWay([digestOf("1")]);
    await install(bench, 0, digestOf("2"));
    await bench.cycles(5);
    assert.equal((await bench.record("up")).progress.state, "succeeded");
    await Promise.all([bench.command("up", "rollback"), bench.cycle()]);
    await bench.cycle();
    const offer = bench.offers.at(-1);
    assert(offer !== undefined);
    await bench.report(offer, ["accepted", "installing"]);
    bench.runs(0, digestOf("1"));
    await bench.cycle();
    assert.deepEqual(bench.states(1), ["rolled-back"], "before the rollback is through");
    await bench.report(offer, ["installed"], 3);
    await bench.cycles(3);
    const { progress, finalCounts } = await bench.record("up");
    assert.equal(progress.state, "rolled-back");
    assert.equal(finalCounts?.waves[0]?.byState[ATTEMPT["rolled-back"]], 1);
  });

  test("is not said to have succeeded of devices that nobody can put back", async () => {
    const foreign = "f".repeat(64);
    await using bench = await halfWay([foreign]);
    await install(bench, 0, digestOf("2"));
    await bench.cycles(5);
    await Promise.all([bench.command("up", "rollback"), bench.cycle()]);
    const { progress } = await bench.record("up");
    assert.equal(progress.state, "stopped");
    assert.match(progress.stateReason, /what 1 devices? ran before is unknown/);
  });

  test("is refused where nobody was reached before the end", async () => {
    await using bench = await CenterBench.open({ devices: 2 });
    await bench.plan("up");
    await Promise.all([bench.command("up", "start"), bench.cycle()]);
    await Promise.all([bench.command("up", "stop"), bench.cycle()]);
    assert.equal((await bench.record("up")).progress.state, "stopped");
    const refused = assert.rejects(bench.command("up", "rollback"), /it has reached no device/);
    await Promise.all([refused, bench.cycle()]);
  });

  test("ends one that has reached nobody yet", async () => {
    await using bench = await CenterBench.open({ devices: 2 });
    await bench.plan("up");
    await Promise.all([bench.command("up", "start"), bench.cycle()]);
    await Promise.all([bench.command("up", "rollback"), bench.cycle()]);
    await bench.cycle();
    const { progress } = await bench.record("up");
    assert.equal(progress.state, "rolled-back");
    assert.match(progress.stateReason, /no device had to go back$/);
  });

  test("takes in whoever may have accepted when a stop closed its offer", async () => {
    await using bench = await halfWay([digestOf("1"), digestOf("1")]);
    await install(bench, 0, digestOf("2"));
    await bench.cycle();
    await Promise.all([bench.command("up", "stop"), bench.cycle()]);
    await bench.cycles(OFFERS_EXPIRE);
    assert.equal((await bench.record("up")).progress.state, "stopped");
    bench.sent.length = 0;
    await Promise.all([bench.command("up", "rollback"), bench.cycle()]);
    await bench.cycle();
    const ordinals = bench.offers.map(({ ordinal }) => ordinal).sort((a, b) => a - b);
    assert.deepEqual(ordinals, [...bench.ordinals]);
  });

  test("may be asked for while a stop waits for a device that is cut off", async () => {
    await using bench = await halfWay([digestOf("1")]);
    const [offer] = bench.offers;
    assert(offer !== undefined);
    await bench.report(offer, ["accepted", "installing"]);
    await bench.cycle();
    bench.online.clear();
    await Promise.all([bench.command("up", "stop"), bench.cycle()]);
    await bench.cycles(200);
    assert.equal((await bench.record("up")).progress.state, "stopping");
    const answer = bench.command("up", "rollback");
    await bench.cycle();
    assert.equal((await answer).progress.rollbackWanted, true);
    await bench.cycle();
    assert.equal((await bench.record("up")).progress.state, "rolling-back");
  });

  test("that leaves one device where it is is not called rolled back", async () => {
    await using bench = await halfWay([digestOf("1"), digestOf("1")]);
    for (const device of [0, 1]) await install(bench, device, digestOf("2"));
    await bench.cycles(5);
    await Promise.all([bench.command("up", "rollback"), bench.cycle()]);
    await bench.cycle();
    await install(bench, 0, digestOf("1"));
    const offer = bench.offers.findLast(({ ordinal }) => ordinal === bench.ordinals[1]);
    assert(offer !== undefined);
    await bench.report(offer, ["accepted"]);
    await bench.report(offer, ["failed"], 2);
    await bench.cycles(3);
    const { progress } = await bench.record("up");
    assert.deepEqual(progress.state, "stopped");
    assert.match(progress.stateReason, /1 device went back, 1 did not$/);
  });

  test("is not done with a slow device because that still runs what it ran before", async () => {
    await using bench = await halfWay([digestOf("1")], { onStop: "pause" });
    const [offer] = bench.offers;
    assert(offer !== undefined);
    await bench.report(offer, ["accepted", "downloading"]);
    await bench.cycles(62);
    assert.equal(bench.states(1)[0], "timed-out");
    await Promise.all([bench.command("up", "rollback"), bench.cycle()]);
    await bench.cycle();
    const again = bench.offers.at(-1);
    assert(again?.rollout === 2 && again.release === "app@1", "it may still go on, so it is in it");
    await bench.report(again, ["accepted", "failed"]);
    await bench.cycle();
    assert.equal((await bench.record("up-rollback")).progress.state, "paused", "all of it failed");
    await Promise.all([bench.command("up-rollback", "stop"), bench.cycle()]);
    const { progress } = await bench.record("up");
    assert.equal(progress.state, "stopped");
    assert.match(progress.stateReason, /0 devices went back, 1 did not$/);
  });

  test("of a rollout with the longest name has a name of its own", async () => {
    const name = `${"n".repeat(62)}1`;
    await using bench = await CenterBench.open({ devices: 1 });
    bench.connect(0, { digest: digestOf("1") });
    await bench.cycle();
    await bench.plan(name);
    await Promise.all([bench.command(name, "start"), bench.cycle()]);
    await install(bench, 0, digestOf("2"));
    await bench.cycles(5);
    await Promise.all([bench.command(name, "rollback"), bench.cycle()]);
    const { child } = await bench.record(name);
    assert.equal(child, `${"n".repeat(52)}-2-rollback`);
    assert.equal(child.length, 63);
  });
});
