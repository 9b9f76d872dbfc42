// SPDX-License-Identifier: Apache-2.0
/**
 * Each checker finds out a bug that is planted in product code (runtime/faults.ts; the bug is told
 * beside each `isPlanted`), by what the processes wrote while it did its harm.
 */
import assert from "node:assert/strict";
import { after, afterEach, before, describe, it } from "node:test";
import { OnStop, type Rollout } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { checkAll } from "../../simulator/checkers/checkers.ts";
import { deviceGroup } from "./fleet.ts";
import { count, PlantedFleet } from "./planted-fleet.ts";

const GOOD = "label.group = good";
const END_MS = 30_000;
const SUITE_TIMEOUT_MS = 280_000;

describe("a planted bug is found out", { timeout: SUITE_TIMEOUT_MS }, () => {
  let planted: PlantedFleet;
  before(async () => {
    planted = await PlantedFleet.start([
      ...deviceGroup("good", "good", 24),
      ...deviceGroup("lying", "lying", 2),
      ...deviceGroup("silent", "silent", 2),
      ...deviceGroup("bad", "bad-hardware", 2),
    ]);
  });
  after(() => planted[Symbol.asyncDispose]());
  afterEach(() => planted.cleanUp());

  it("and nothing is found without one", async () => {
    const everybody = "label.group in (good, bad)";
    await planted.fleet.rolloutEnd(await planted.rollOut(everybody), END_MS);
    const half = `${everybody} and label.half = a`;
    await planted.fleet.rolloutEnd(await planted.rollOut(half), END_MS);
    assert.deepEqual(checkAll(await planted.fleet.history()), []);
  });

  it("when the plan's limits are ignored", async () => {
    await planted.restart("plant:dispatch.ignore-budget");
    const limits = { maxInFlight: count(3), blastRadius: count(5) };
    const name = await planted.rollOut(GOOD, limits);
    await planted.caught("in-flight", name);
    await planted.caught("blast-radius", name);
  });

  it("when waves that are not open are offered", async () => {
    await planted.restart("plant:dispatch.ignore-waves");
    await planted.caught("waves", await planted.rollOut(GOOD, { waves: [count(2)] }));
  });

  it("when a wave does not wait for the gate of the one before", async () => {
    await planted.restart("plant:engine.skip-gate");
    await planted.caught("waves", await planted.rollOut(GOOD, { waves: [count(2)] }));
  });

  it("when offers go on after a pause", async () => {
    await planted.restart("plant:dispatch.ignore-stop");
    const name = await planted.rollOut(GOOD, { maxInFlight: count(1) });
    const isUnderWay = ({ progress }: Rollout): boolean => (progress?.exposed ?? 0) > 0;
    await planted.fleet.lookUntil(name, "is under way", isUnderWay, END_MS);
    await planted.fleet.installation.session.client.pauseRollout({ name });
    await planted.caught("stops", name);
  });

  it("when a success is believed without evidence", async () => {
    await planted.restart("plant:engine.no-evidence");
    const name = await planted.rollOut("label.group = lying");
    await planted.fleet.rolloutEnd(name, END_MS);
    await planted.caught("evidence", name);
  });

  it("when silence is no failure", async () => {
    await planted.restart("plant:engine.silence-is-fine");
    const name = await planted.rollOut("label.group = silent");
    const isOverdue = ({ progress }: Rollout): boolean => (progress?.clockMs ?? 0n) > 12_000n;
    await planted.fleet.lookUntil(name, "is past every deadline", isOverdue, END_MS);
    await planted.caught("endings", name);
    await planted.cleanUp();
    assert.deepEqual(await planted.found("endings", name), [], "a sound center ends it");
  });

  it("when a rollback puts all devices on one version", async () => {
    await planted.fleet.rolloutEnd(await planted.rollOut(`${GOOD} and label.half = a`), END_MS);
    await planted.restart("plant:rollback.one-version");
    const gate = { maxFailures: count(2), minSuccessPercent: 0, minSample: 1 };
    const policy = { gate, onStop: OnStop.ROLLBACK };
    const name = await planted.rollOut("label.group in (good, bad)", policy, "rev-b");
    await planted.fleet.rolloutEnd(name, END_MS);
    await planted.caught("rollbacks", name);
  });

  it("when the audit log has a commit of its own", async () => {
    await planted.restart("plant:audit.apart,crash:center.audit.apart");
    const { installation } = planted.fleet;
    const crashed = installation.center.ended().then(() => planted.restart(""));
    const [name] = await Promise.all([planted.rollOut(GOOD), crashed]);
    await planted.caught("audit", name);
  });
});
