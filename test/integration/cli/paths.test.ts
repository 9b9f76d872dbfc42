// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { create } from "@bufbuild/protobuf";
import { PlanPathSchema } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { sampleRollout, startFakeCenter } from "./fake-center.ts";
import { runMuster } from "./run-muster.ts";

describe("the plan of a release with a floor", () => {
  test("shows who needs which steps", async () => {
    await using folder = await tempDir("cli");
    const rollout = sampleRollout();
    const paths = [
      { releases: ["shop@1.2.0", "shop@1.4.0"], deviceCount: 3, sample: ["till-1", "till-2"] },
      { releases: ["shop@1.4.0"], deviceCount: 7, sample: ["till-3"] },
    ];
    assert(rollout.plan !== undefined);
    rollout.plan.paths = paths.map((path) => create(PlanPathSchema, path));
    await using center = await startFakeCenter({
      getRollout: () => ({ rollout }),
      planRollout: () => ({ rollout }),
    });
    const options = { cwd: folder.path, environment: center.environment };
    const { stdout } = await runMuster(["rollout", "plan", "shop-1.4"], options);
    assert.match(stdout, /STEPS +DEVICES +PATH +FOR EXAMPLE\n/);
    assert.match(stdout, / 2 +3 +shop@1\.2\.0 → shop@1\.4\.0 +till-1 till-2\n/);
    assert.match(stdout, / 1 +7 +shop@1\.4\.0 +till-3\n/);
  });
});
