// SPDX-License-Identifier: Apache-2.0
/** Groups of devices that move together, on a real store. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { readSpec } from "../../../center/api/rollout-spec.ts";
import { groupVerdictAt } from "../../../center/rollouts/device-groups.ts";
import type { RolloutSpec } from "../../../domain/rollout.ts";
import { JoinPolicy, RolloutSpecSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { digestOf } from "./bench-records.ts";
import { CenterBench } from "./center-bench.ts";

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

describe("the field together", () => {
  const specOf = (together: string, joiners: JoinPolicy): RolloutSpec =>
    readSpec(create(RolloutSpecSchema, { release: "app@1.0.0", together, joiners }));

  test("is a label's name, in a rollout that nobody joins", () => {
    assert.equal(specOf("cell", JoinPolicy.NEVER).together, "cell");
    assert.throws(() => specOf("no label", JoinPolicy.NEVER), /is no name of a label/);
    assert.throws(() => specOf("cell", JoinPolicy.UNSPECIFIED), /nobody can join them later/);
  });
});
