// SPDX-License-Identifier: Apache-2.0
/** Groups of devices that move together, on a real store. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { readSpec } from "../../../center/api/rollout-spec.ts";
import { groupVerdictAt } from "../../../center/rollouts/device-groups.ts";
import { DEFAULT_SPEC, type RolloutSpec } from "../../../domain/rollout.ts";
import { DAYS } from "../../../domain/window.ts";
import { NO_WINDOWS } from "../../../domain/zone-windows.ts";
import { offerLeaves } from "../../../protocol/device/offer-batch.ts";
import { JoinPolicy, RolloutSpecSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { digestOf } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";

const { signal } = new AbortController();
const MINUTE_MS = 60_000;

/** The first three of four devices are a cell. */
async function running(
  connected: readonly number[],
  spec: Partial<RolloutSpec> = {},
): Promise<CenterBench> {
  const bench = await CenterBench.open({
    devices: 4,
    factsOf: (index) => ({ labels: index < 3 ? { cell: "a" } : {} }),
  });
  for (const index of connected) bench.connect(index, { digest: digestOf("1") });
  await bench.cycle();
  await bench.plan("up", { together: "cell", joiners: "never", ...spec });
  await Promise.all([bench.command("up", "start"), bench.cycle()]);
  await bench.cycle();
  return bench;
}

/** States by device. */
function states(bench: CenterBench): (string | undefined)[] {
  const byPosition = bench.states(1);
  return bench.ordinals.map((ordinal) => byPosition[bench.rollout(1).positionOf(ordinal)]);
}

describe("a group", () => {
  test("waits until all of it are connected, and no other device waits for it", async () => {
    await using bench = await running([0, 1, 3]);
    assert.deepEqual(states(bench), ["pending", "pending", "pending", "offered"]);
    const rollout = bench.rollout(1);
    const [first = 0, , missing = 0] = bench.ordinals;
    assert.deepEqual(groupVerdictAt(rollout, rollout.positionOf(first), bench.fleet), {
      kind: "wait",
      position: rollout.positionOf(missing),
    });
    await bench.crashAtPoint("center.loop.acted");
    for (const index of [0, 1, 2]) bench.connect(index, { digest: digestOf("1") });
    await bench.cycles(2);
    assert.deepEqual(states(bench).slice(0, 3), ["offered", "offered", "offered"]);
  });

  test("goes on within the limits, until one of it fails", async () => {
    await using bench = await running([0, 1, 2], { maxInFlight: { count: 1 } });
    const [offer] = bench.offers;
    assert(offer !== undefined);
    assert.equal(states(bench).filter((state) => state === "offered").length, 1);
    await bench.report(offer, ["accepted", "failed"]);
    await bench.cycles(3);
    const cell = states(bench).slice(0, 3);
    assert.equal(cell.filter((state) => state === "cancelled").length, 2);
    assert.equal(cell.filter((state) => state === "failed").length, 1);
  });
});

/** Its newest offer; what it is told to run. */
async function install(bench: CenterBench, index: number, digest: string): Promise<string> {
  const offer = bench.offers.findLast(({ ordinal }) => ordinal === bench.ordinals[index]);
  assert(offer !== undefined, `device ${index} has an offer`);
  await bench.report(offer, ["accepted", "installing", "installed"]);
  bench.runs(index, digest);
  return `${offer.release}, generation ${offer.generation}`;
}

/** The first two of the cell run it and the third one fails. */
async function failing(
  spec: Partial<RolloutSpec> = {},
  meanwhile: (bench: CenterBench) => Promise<void> = async () => {},
): Promise<CenterBench> {
  const gate = { ...DEFAULT_SPEC.gate, maxFailures: { count: 3 }, maxFailureRatePercent: 100 };
  const open = { maxInFlight: { count: 4 }, blastRadius: { count: 4 }, soakMs: 1_000 };
  const bench = await running([0, 1, 2, 3], { gate, ...open, ...spec });
  for (const index of [0, 1]) await install(bench, index, digestOf("2"));
  await bench.cycles(3);
  assert.deepEqual(states(bench).slice(0, 3), ["succeeded", "succeeded", "offered"]);
  const offer = bench.offers.findLast(({ ordinal }) => ordinal === bench.ordinals[2]);
  assert(offer !== undefined);
  await bench.report(offer, ["accepted"]);
  await meanwhile(bench);
  await bench.report(offer, ["failed"], 2);
  return bench;
}

describe("a group of which one fails", () => {
  test("is put back at once, also by a center that crashes meanwhile", async () => {
    await using bench = await failing();
    await bench.cycle();
    assert.deepEqual(states(bench), ["offered", "offered", "failed", "offered"]);
    await bench.crashAtPoint("center.loop.acted");
    for (const index of [0, 1]) bench.connect(index, { digest: digestOf("2") });
    for (const index of [2, 3]) bench.connect(index, { digest: digestOf("1") });
    await bench.cycles(2);
    const told = [await install(bench, 0, digestOf("1")), await install(bench, 1, digestOf("1"))];
    assert.deepEqual(told, ["app@1, generation 2", "app@1, generation 2"]);
    await bench.cycles(2);
    const cell = states(bench).slice(0, 3);
    assert.deepEqual(cell, ["rolled-back", "rolled-back", "failed"]);
    const { exposed, failures, putBack } = bench.rollout(1).total;
    assert.deepEqual([exposed, failures, putBack], [3, 1, 2]);
    const { entries } = await bench.store.listAudit({
      tenant: "default",
      afterSequence: 0,
      limit: 100,
      signal,
    });
    const returned = entries.find(({ action }) => action === "rollout.return-group");
    assert.partialDeepStrictEqual(returned?.detail, { number: 1, deviceCount: 2 });
  });

  test("waits for no window on its way back, and is told of none", async () => {
    // The first minute of the day, in which the bench begins; its devices keep no windows.
    const install = [{ days: DAYS, fromMinute: 0, toMinute: 1 }];
    const windows = { ...NO_WINDOWS, install, timeZone: "UTC" };
    await using bench = await failing({ windows }, (open) => open.cycle(2 * MINUTE_MS));
    const rollout = bench.rollout(1);
    const [first = 0] = bench.ordinals;
    assert(rollout.isWindowClosed(rollout.positionOf(first), "install"));
    bench.sent.length = 0;
    await bench.cycle();
    assert.deepEqual(states(bench).slice(0, 2), ["offered", "offered"]);
    const told = bench.sent.flatMap(({ columns }) => offerLeaves(columns) ?? []);
    const texts = told.map((leaf) => new TextDecoder().decode(leaf));
    assert.equal(texts.length, 2);
    assert(texts.every((text) => !text.includes('"windows"') && text.includes('"version":"1"')));
  });

  test("is put back when a paused rollout is resumed, and not before", async () => {
    await using bench = await failing();
    await Promise.all([bench.command("up", "pause"), bench.cycle()]);
    await bench.cycles(2);
    assert.deepEqual(states(bench).slice(0, 2), ["succeeded", "succeeded"]);
    await Promise.all([bench.command("up", "resume"), bench.cycle()]);
    await bench.cycle();
    assert.deepEqual(states(bench).slice(0, 2), ["offered", "offered"]);
  });

  test("leaves who ran what was never published here as it is", async () => {
    // The third one, which is away, keeps the rollout open.
    const bench = await CenterBench.open({
      devices: 3,
      factsOf: (index) => ({ labels: index < 2 ? { cell: "a" } : {} }),
    });
    await using _ = bench;
    bench.connect(0, { digest: "f".repeat(64) });
    bench.connect(1, { digest: digestOf("1") });
    await bench.cycle();
    const gate = { ...DEFAULT_SPEC.gate, maxFailures: { count: 2 }, maxFailureRatePercent: 100 };
    const room = { maxInFlight: { count: 2 }, blastRadius: { count: 2 }, soakMs: 1_000 };
    await bench.plan("up", { together: "cell", joiners: "never", gate, ...room });
    await Promise.all([bench.command("up", "start"), bench.cycle()]);
    await install(bench, 0, digestOf("2"));
    await bench.cycles(3);
    const offer = bench.offers.findLast(({ ordinal }) => ordinal === bench.ordinals[1]);
    assert(offer !== undefined);
    await bench.report(offer, ["accepted", "failed"]);
    await bench.cycle();
    assert.equal(states(bench)[0], "succeeded");
  });
});

describe("the field together", () => {
  const specOf = (together: string, joiners: JoinPolicy): RolloutSpec =>
    readSpec(create(RolloutSpecSchema, { release: "app@1.0.0", together, joiners }));

  test("is a label's name, in a rollout that nobody joins", () => {
    assert.equal(specOf("cell", JoinPolicy.NEVER).together, "cell");
    assert.throws(() => specOf("no label", JoinPolicy.NEVER), /is no name of a label/);
    assert.throws(() => specOf("cell", JoinPolicy.UNSPECIFIED), /nobody can join them later/);
  });
});
