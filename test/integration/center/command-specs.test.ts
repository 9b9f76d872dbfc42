// SPDX-License-Identifier: Apache-2.0
/** What the API refuses of a rollout whose subject is a command, each with one clear sentence. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { OnStop, RolloutState } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { sharedApi, testRefused, type RefusedSpec, type WireSpec } from "./refused-specs.ts";

const DAY_MS = 86_400_000n;
const DF: WireSpec = { command: { run: ["df", "-h"] } };

const REFUSED: readonly RefusedSpec[] = [
  ["beside a release", { ...DF, release: "app@1.0.0" }, /spec\.command stands beside a release/],
  ["that soaks", { ...DF, soakMs: 1_000n }, /spec\.soak is set: a command leaves nothing to soak/],
  ["that is to be rolled back", { ...DF, onStop: OnStop.ROLLBACK }, /spec\.onStop is rollback/],
  ["with rules for going back", { ...DF, rollback: {} }, /spec\.rollback is set: .* taken back/],
  ["of two kinds", { command: { run: ["df"], script: "df" } }, /has 2 of run, script and builtIn/],
  ["of no kind", { command: {} }, /has 0 of run, script and builtIn/],
  ["that names no program", { command: { run: [""] } }, /spec\.command\.run\[0\] names no program/],
  ["that agents do not know", { command: { builtIn: "melt" } }, /"melt" is not reboot or collect/],
  ["longer than an offer", { command: { script: "#".repeat(4_097) } }, /publish a release instead/],
  ["of days", { command: { run: ["df"], timeoutMs: DAY_MS + 1n } }, /is longer than a day/],
  [
    "whose whole output is wanted",
    { command: { run: ["df"], outputLimitBytes: 65_537 } },
    /is more than 65536 bytes, the most that is kept/,
  ],
  ["with a cap", { ...DF, bandwidth: {} }, /spec\.bandwidth is set: a command fetches nothing/],
];

describe("a command", () => {
  const api = sharedApi();
  testRefused(api, REFUSED);

  test("is not rehearsed: the model is learnt from installs", async () => {
    const rehearsed = api.admin.rehearseRollout({ tenant: "default", name: "look", spec: DF });
    await assert.rejects(async () => {
      for await (const _ of rehearsed) assert.fail("nothing is played");
    }, /cannot rehearse rollout look: its subject is a command/);
  });

  test("for nobody is not kept where it is to be planned with its creation", async () => {
    const selector = "region = mars";
    const named = { tenant: "default", name: "to-nobody", spec: { ...DF, selector } };
    const { records: before } = await api.admin.listAudit({});
    const applied = api.admin.applyRollout({ ...named, plan: true });
    await assert.rejects(applied, /no device is left to plan for; the selector matches nobody/);
    await assert.rejects(api.admin.getRollout(named), /there is no rollout to-nobody/);
    assert.equal((await api.admin.listAudit({})).records.length, before.length);
  });

  test("is created and planned in one step, under a name that is free", async () => {
    const device = { id: "d1", region: "eu" };
    await api.admin.registerDevices({ tenant: "default", devices: [device] });
    const named = { tenant: "default", name: "at-once", spec: DF, plan: true };
    const { rollout, created } = await api.admin.applyRollout(named);
    assert.deepEqual([rollout?.state, created], [RolloutState.PLANNED, true]);
    assert.equal(rollout?.plan?.deviceCount, 1);
    const { records } = await api.admin.listAudit({});
    const actions = records.filter(({ subject }) => subject === "rollout/default/at-once");
    assert.deepEqual(
      actions.map(({ action }) => action),
      ["rollout.create", "rollout.plan"],
    );
    await assert.rejects(api.admin.applyRollout(named), /there is a rollout at-once already/);
  });

  test("in order is kept as it was given, with the defaults of what was left out", async () => {
    await api.admin.applyRollout({ tenant: "default", name: "look", spec: DF });
    const { rollout } = await api.admin.getRollout({ tenant: "default", name: "look" });
    const { command, onStop, deadlines, soakMs } = rollout?.spec ?? {};
    assert.deepEqual(command?.run, ["df", "-h"]);
    assert.deepEqual([command?.timeoutMs, command?.outputLimitBytes], [300_000n, 65_536]);
    assert.deepEqual([onStop, soakMs], [OnStop.PAUSE, 0n]);
    assert.equal(deadlines?.installMs, 360_000n, "a minute more than it may take");
  });
});
