// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { RolloutState } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { sampleRollout, startFakeCenter } from "./fake-center.ts";
import { runMuster } from "./run-muster.ts";

describe("muster rollout", () => {
  test("plan --diff prints what differs from the plan before it", async () => {
    await using folder = await tempDir("cli");
    await using center = await startFakeCenter({
      planRollout: () => ({ rollout: sampleRollout({ state: RolloutState.PLANNED }) }),
      comparePlans: ({ name, other }) => ({
        name,
        other: other === "" ? "shop-1.3" : other,
        groups: [
          { group: "added", deviceCount: 1_200, sample: ["till-1", "till-2"] },
          { group: "removed", deviceCount: 0, sample: [] },
        ],
        settings: [{ name: "spec.soak", before: "1m", after: "10m" }],
      }),
    });
    const options = { cwd: folder.path, environment: center.environment };
    const { stdout, status } = await runMuster(["rollout", "plan", "shop-1.4", "--diff"], options);
    assert.equal(status, 0);
    assert.equal(
      stdout,
      `Plan of rollout shop-1.4 beside that of shop-1.3

DEVICES  ARE        FIRST OF THEM
  1,200  new in it  till-1 till-2

SETTING    BEFORE  NOW
spec.soak  1m      10m
`,
    );
    const json = ["rollout", "plan", "shop-1.4", "--diff", "shop-1.2", "-o", "json"];
    const compared = JSON.parse((await runMuster(json, options)).stdout) as { other: string };
    assert.equal(compared.other, "shop-1.2");
  });
});
