// SPDX-License-Identifier: Apache-2.0
/** Why a device or a rollout stands where it does, in the words that a person reads. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { explainDevice, type Explanation } from "../../../center/devices/device-explainer.ts";
import { ReleaseIndex } from "../../../center/releases/release-index.ts";
import { countWaits, NO_WAITS, type Waits } from "../../../center/rollouts/waits.ts";
import type { Command } from "../../../domain/subject.ts";
import { digestOf, TENANT } from "./bench-records.ts";
import { CenterBench, OFFER_LIFETIME_MS } from "./center-bench.ts";

const { signal } = new AbortController();
const REBOOT: Command = {
  work: { kind: "built-in", name: "reboot" },
  timeoutMs: 60_000,
  outputLimitBytes: 1_000,
};
const COMMAND = {
  release: "",
  command: REBOOT,
  soakMs: 0,
  onStop: "pause",
} as const;

async function explain(bench: CenterBench, index: number, rollout: string): Promise<Explanation> {
  const { store, log, clock, fleet, loop } = bench;
  const device = await store.getDevice(TENANT, `device-${index}`, { signal });
  assert(device !== null);
  return explainDevice(
    {
      store,
      fleet,
      releases: await ReleaseIndex.load(store, signal),
      running: () => loop.running,
      digests: () => loop.digests,
      openRollouts: () => loop.openRollouts,
      predecessors: () => loop.predecessors,
      load: { store, log, clock, offerLifetimeMs: OFFER_LIFETIME_MS },
      gatewayName: (number) => (number === 0 ? "" : `gw-${number}`),
    },
    device,
    rollout,
    signal,
  );
}

function waitsOf(bench: CenterBench, number: number): Waits {
  const { loop } = bench;
  const rollout = bench.rollout(number);
  return countWaits(rollout, loop.predecessors.of(rollout, loop.openRollouts), loop.openRollouts);
}

describe("a device of a command's rollout", () => {
  test("is told of in words of the command: its target is no release", async () => {
    await using bench = await CenterBench.open({ devices: 2 });
    bench.connectAll(digestOf("1"));
    await bench.cycle();
    await bench.plan("reboots", COMMAND);
    await Promise.all([bench.command("reboots", "start"), bench.cycle()]);
    const [good, bad] = bench.offers;
    assert(good !== undefined && bad !== undefined);
    await bench.report(good, ["accepted", "installing"]);
    await bench.report(bad, ["accepted", "failed"]);
    await bench.cycle();
    const atWork = await explain(bench, bench.ordinals.indexOf(good.ordinal), "reboots");
    assert.match(atWork.sentence, /^device-\d runs the command\.$/);
    assert(atWork.facts.includes("target is the command reboot"), atWork.facts.join("\n"));
    const failed = await explain(bench, bench.ordinals.indexOf(bad.ordinal), "reboots");
    assert.match(failed.sentence, / failed \(.*\); what the command did is not taken back\.$/);
    await bench.report(good, ["installed"], 3);
    await bench.cycle();
    const done = await explain(bench, bench.ordinals.indexOf(good.ordinal), "reboots");
    assert.match(done.sentence, /^device-\d has carried out the command\.$/);
  });
});

describe("a rollout that waits for another one", () => {
  test("names it, and how many devices wait, while they do", async () => {
    await using bench = await CenterBench.open({ devices: 3 });
    bench.connectAll(digestOf("1"));
    await bench.cycle();
    await bench.plan("urgent", { priority: 10 });
    await Promise.all([bench.command("urgent", "start"), bench.cycle()]);
    await bench.plan("late", { release: "app@3" });
    await Promise.all([bench.command("late", "start"), bench.cycle()]);
    assert.deepEqual(waitsOf(bench, 3), {
      ...NO_WAITS,
      rivals: [{ rollout: "urgent", deviceCount: 3 }],
    });
    assert.deepEqual(waitsOf(bench, 1), NO_WAITS, "whoever goes first waits for nobody");
    const { sentence } = await explain(bench, 0, "late");
    assert.equal(sentence, "device-0 waits for rollout urgent, which has its slot app first.");
  });
});

describe("a device of a rollout that waits for its hour", () => {
  test("waits for that, and for no wave", async () => {
    await using bench = await CenterBench.open({ devices: 1 });
    bench.connectAll(digestOf("1"));
    await bench.cycle();
    await bench.plan("up", { notBeforeMs: bench.clock.wallMs() + 3_600_000 });
    await Promise.all([bench.command("up", "start"), bench.cycle()]);
    const { sentence } = await explain(bench, 0, "up");
    assert.match(
      sentence,
      /^device-0 waits because rollout up is waiting until .*\(notBefore\)\.$/,
    );
  });
});

describe("a device that a rollout does not reach any more", () => {
  test("is told of with the reason that its attempt ended for", async () => {
    await using bench = await CenterBench.open({ devices: 2 });
    bench.connectAll(digestOf("1"));
    await bench.cycle();
    await bench.plan("up", { waves: [{ count: 1 }] });
    await Promise.all([bench.command("up", "start"), bench.cycle()]);
    const left = bench.rollout(1).ordinalAt(1);
    bench.inbox.put({ kind: "leavers", rollout: 1, ordinals: [left], retired: [] });
    await bench.cycle();
    const { sentence } = await explain(bench, bench.ordinals.indexOf(left), "up");
    assert.match(sentence, / left before it was offered anything: retired, or selected no more\.$/);
  });
});
