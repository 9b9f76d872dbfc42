// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { RolloutProgressSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { sampleRollout, startFakeCenter } from "./fake-center.ts";
import { runMuster } from "./run-muster.ts";

describe("a rollout that devices joined", () => {
  test("is shown with how many they are, beside those who were planned", async () => {
    await using folder = await tempDir("cli");
    const progress = create(RolloutProgressSchema, { wave: 1, joined: 3 });
    await using center = await startFakeCenter({
      getRollout: () => ({ rollout: sampleRollout({ progress }) }),
    });
    const options = { cwd: folder.path, environment: center.environment };
    const { stdout } = await runMuster(["get", "rollouts", "shop-1.4"], options);
    assert.match(stdout, /devices +10 planned, and 3 that joined\n/);
    const json = await runMuster(["get", "rollouts", "shop-1.4", "-o", "json"], options);
    assert.match(json.stdout, /"joined": 3/);
  });
});
