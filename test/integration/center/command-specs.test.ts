// SPDX-License-Identifier: Apache-2.0
/** What the API refuses of a rollout whose subject is a command, each with one clear sentence. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { OnStop, type RolloutSpecSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { startApi, type ApiFixture } from "./api-fixture.ts";

type Spec = MessageInitShape<typeof RolloutSpecSchema>;

const DAY_MS = 86_400_000n;
const DF: Spec = { command: { run: ["df", "-h"] } };

const REFUSED: readonly (readonly [name: string, spec: Spec, message: RegExp])[] = [
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
  let api: ApiFixture;
  before(async () => {
    api = await startApi();
  });
  after(() => api[Symbol.asyncDispose]());

  for (const [name, spec, message] of REFUSED) {
    test(`${name} is refused`, async () => {
      const applied = api.admin.applyRollout({ tenant: "default", name: "look", spec });
      await assert.rejects(applied, message);
    });
  }

  test("is not rehearsed: the model is learnt from installs", async () => {
    const rehearsed = api.admin.rehearseRollout({ tenant: "default", name: "look", spec: DF });
    await assert.rejects(async () => {
      for await (const _ of rehearsed) assert.fail("nothing is played");
    }, /cannot rehearse rollout look: its subject is a command/);
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
