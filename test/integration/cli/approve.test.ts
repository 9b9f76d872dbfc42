// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  RolloutState,
  type ApproveRolloutRequest,
} from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { sampleRollout, startFakeCenter } from "./fake-center.ts";
import { runMuster } from "./run-muster.ts";

describe("muster rollout approve", () => {
  test("sends the digest that was reviewed, and whether it is refused", async () => {
    await using folder = await tempDir("cli");
    const asked: ApproveRolloutRequest[] = [];
    await using center = await startFakeCenter({
      approveRollout: (request) => {
        asked.push(request);
        const stateReason = "approved by operator:other";
        return { rollout: sampleRollout({ state: RolloutState.PLANNED, stateReason }) };
      },
    });
    const options = { cwd: folder.path, environment: center.environment };
    const words = ["rollout", "approve", "shop-1.4", "--plan-digest", "abc"];
    const { stdout } = await runMuster(words, options);
    assert.equal(stdout, "rollout shop-1.4 is planned: approved by operator:other\n");
    await runMuster(["rollout", "approve", "shop-1.4", "--reject"], options);
    const sent = asked.map(({ planDigest, reject }) => [planDigest, reject]);
    assert.deepEqual(sent, [
      ["abc", false],
      ["", true],
    ]);
  });
});
