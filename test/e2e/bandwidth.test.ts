// SPDX-License-Identifier: Apache-2.0
/**
 * Caps of the bandwidth with real processes: they are in the plan, and the gateway counts by them
 * what its devices fetch.
 */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { publishDemoRelease } from "../../cli/demo/demo-release.ts";
import { LocalInstallation } from "../../cli/demo/local-installation.ts";
import type { RoleProcess } from "../../cli/demo/role-process.ts";
import { createProgress } from "../../cli/progress/progress.ts";
import { RolloutState } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { testShell } from "../helpers/shell.ts";
import { tempDir } from "../helpers/temp-dir.ts";
import { until } from "../helpers/until.ts";

const TIMEOUT_MS = 120_000;
const BANDWIDTH = {
  deviceBytesPerSecond: 1_048_576n,
  siteBytesPerSecond: 2_097_152n,
  gatewayBytesPerSecond: 4_194_304n,
};

/** Bytes that were counted by a rollout's cap at this place. */
async function capped(gateway: RoleProcess, place: string): Promise<number> {
  const url = `http://127.0.0.1:${gateway.port("adminPort")}/metrics`;
  const text = await (await fetch(url)).text();
  const pattern = new RegExp(
    `^muster_gateway_capped_bytes_total\\{place="${place}"\\} (\\d+)`,
    "m",
  );
  return Number(pattern.exec(text)?.[1] ?? 0);
}

describe("a rollout with caps, every role a process", { timeout: TIMEOUT_MS * 2 }, () => {
  it("moves its bytes under them", async (t) => {
    await using folder = await tempDir("bandwidth");
    const shell = testShell(t.signal);
    await using installation = new LocalInstallation({
      folder: folder.path,
      shell,
      heartbeat: "500ms",
    });
    await installation.startCenter();
    const gateway = await installation.startGateway("gw-1");
    const devices = ["till-1", "till-2"].map((id) => ({ id, site: "shop", inventory: {} }));
    for (const device of devices) await installation.startAgent(device);
    const { session } = installation;
    using progress = createProgress({ stream: process.stderr, isTty: false, clock: systemClock });
    const bundle = await publishDemoRelease({
      session,
      folder: installation.at("releases"),
      keyFile: installation.targetsKeyFile,
      release: { name: "shop", version: "1.0.0", failsOn: "" },
      progress,
      nowMs: systemClock.wallMs(),
    });
    const name = "shop-1";
    const mutation = session.mutation("test");
    await session.client.applyRollout({
      mutation,
      name,
      spec: { release: "shop@1.0.0", selector: "", soakMs: 1_000n, bandwidth: BANDWIDTH },
    });
    const { rollout } = await session.client.planRollout({ mutation: session.mutation("t"), name });
    assert.deepEqual(
      { ...rollout?.spec?.bandwidth, $typeName: "" },
      { ...BANDWIDTH, $typeName: "" },
    );
    await session.client.startRollout({ mutation: session.mutation("test"), name });
    const hasEnded = async (): Promise<boolean> => {
      const answer = await session.client.getRollout({ name });
      return answer.rollout?.state === RolloutState.SUCCEEDED;
    };
    await until("the rollout has ended", hasEnded, { timeoutMs: TIMEOUT_MS, signal: t.signal });
    const artifactBytes = bundle.manifest.artifacts.reduce((sum, { lengthBytes }) => {
      return sum + lengthBytes;
    }, 0);
    const counted = await Promise.all(
      ["device", "site", "gateway"].map((at) => capped(gateway, at)),
    );
    const wanted = devices.length * artifactBytes;
    assert.deepEqual(counted, [wanted, wanted, wanted]);
  });
});
