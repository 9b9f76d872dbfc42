// SPDX-License-Identifier: Apache-2.0
/**
 * Real agents at one real gateway, one of them with heartbeats in Protobuf: a release that reaches
 * both is evident of both, and evidence of what was installed comes by heartbeats alone.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { CODECS } from "../../protocol/device/codec-names.ts";
import { RolloutState } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import type { RoleProcess } from "../../cli/demo/role-process.ts";
import { startInstallation } from "../helpers/installation.ts";

/** Messages of devices on this channel that ended so. */
async function counted(gateway: RoleProcess, channel: string, result: string): Promise<number> {
  const url = `http://127.0.0.1:${gateway.port("adminPort")}/metrics`;
  const text = await (await fetch(url)).text();
  const series = `muster_gateway_messages_total{channel="${channel}",result="${result}"} `;
  const line = text.split("\n").find((each) => each.startsWith(series));
  return Number(line?.slice(series.length) ?? 0); // a series begins with its first count
}

describe("two agents with a codec each", { timeout: 120_000 }, () => {
  it("are rolled out to alike", async (context) => {
    await using installation = await startInstallation(context);
    const { operator, roles } = installation;
    for (const codec of CODECS) {
      await roles.startAgent({ id: `till-${codec}`, inventory: {}, codec });
    }
    await operator.publishRelease({ version: "1.0.0" });
    await operator.startRollout("first", { release: "app@1.0.0", soakMs: 1_000n });
    const rollout = await operator.rolloutEnd("first");
    assert.equal(rollout.state, RolloutState.SUCCEEDED);
    for (const codec of CODECS) {
      const { device } = await operator.client.getDevice({ id: `till-${codec}` });
      const running = device?.running.map(({ slot, release, healthy }) => [slot, release, healthy]);
      assert.deepEqual(running, [["app", "app@1.0.0", true]], codec);
    }
    const gateway = installation.gateway();
    assert.equal(await counted(gateway, "hello", "taken"), CODECS.length);
    assert.equal(await counted(gateway, "hello", "malformed"), 0);
    assert.equal(await counted(gateway, "heartbeat", "malformed"), 0);
    assert.ok((await counted(gateway, "heartbeat", "taken")) > CODECS.length);
  });
});
