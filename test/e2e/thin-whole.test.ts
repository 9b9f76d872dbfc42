// SPDX-License-Identifier: Apache-2.0
/**
 * The main job with real processes and sockets: a signed release reaches a real device's disk; a
 * broken one is put back; center, gateway and agent are killed in the middle and everything still
 * ends right.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { publishDemoRelease } from "../../cli/demo/demo-release.ts";
import { LocalInstallation } from "../../cli/demo/local-installation.ts";
import { createProgress } from "../../cli/progress/progress.ts";
import { RolloutState, type Rollout } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { testShell } from "../helpers/shell.ts";
import { tempDir } from "../helpers/temp-dir.ts";
import { until } from "../helpers/until.ts";

const TIMEOUT_MS = 120_000;
const ENDED: readonly RolloutState[] = [
  RolloutState.SUCCEEDED,
  RolloutState.ROLLED_BACK,
  RolloutState.STOPPED,
];

async function publish(
  installation: LocalInstallation,
  version: string,
  failsOn: string,
): Promise<void> {
  using progress = createProgress({ stream: process.stderr, isTty: false, clock: systemClock });
  await publishDemoRelease({
    session: installation.session,
    folder: installation.at("releases"),
    keyFile: installation.targetsKeyFile,
    release: { name: "shop", version, failsOn },
    progress,
    nowMs: systemClock.wallMs(),
  });
}

async function startRollout(installation: LocalInstallation, version: string): Promise<string> {
  const { session } = installation;
  const { client } = session;
  const name = `shop-${version}`;
  await client.applyRollout({
    mutation: session.mutation("test"),
    name,
    spec: {
      release: `shop@${version}`,
      selector: "region = local",
      soakMs: 1_000n,
      gate: { minSuccessPercent: 50, minSample: 1 },
    },
  });
  await client.planRollout({ mutation: session.mutation("test"), name });
  await client.startRollout({ mutation: session.mutation("test"), name });
  return name;
}

/** Reads through restarts of the center. */
async function read(installation: LocalInstallation, name: string): Promise<Rollout | null> {
  const answer = await installation.session.client.getRollout({ name }).catch(() => null);
  return answer?.rollout ?? null;
}

async function ended(
  installation: LocalInstallation,
  name: string,
  signal: AbortSignal,
): Promise<Rollout> {
  let rollout: Rollout | null = null;
  const check = async (): Promise<boolean> => {
    rollout = await read(installation, name);
    return rollout !== null && ENDED.includes(rollout.state);
  };
  await until(`rollout ${name} has ended`, check, { timeoutMs: TIMEOUT_MS, signal }).catch(
    (error: unknown) => {
      const progress = JSON.stringify(rollout?.progress?.byState);
      throw new Error(`${String(error)}: ${rollout?.stateReason ?? ""} ${progress}`);
    },
  );
  assert.ok(rollout !== null);
  return rollout;
}

/** The version that the device's active side holds, read from its disk. */
async function versionOnDisk(installation: LocalInstallation, device: string): Promise<string> {
  return (await readFile(installation.at(`${device}/slots/app/current/VERSION`), "utf8")).trim();
}

describe("a release on one device, every role a process", { timeout: TIMEOUT_MS * 3 }, () => {
  it("reaches the disk when good, is put back when broken, whoever is killed", async (t) => {
    await using folder = await tempDir("thin-whole");
    const shell = testShell(t.signal);
    await using installation = new LocalInstallation({
      folder: folder.path,
      shell,
      heartbeat: "500ms",
      offerLifetime: "20s",
      leaseLifetime: "6s",
    });
    await installation.startCenter();
    await installation.startGateway("gw-1");
    const device = { id: "till-1", inventory: { hwRevision: "rev-b" } };
    const agent = await installation.startAgent(device);

    await publish(installation, "1.0.0", "");
    const good = await ended(installation, await startRollout(installation, "1.0.0"), t.signal);
    assert.equal(good.state, RolloutState.SUCCEEDED, good.stateReason);
    assert.equal(await versionOnDisk(installation, "till-1"), "1.0.0");

    await publish(installation, "2.0.0", "rev-b");
    const bad = await ended(installation, await startRollout(installation, "2.0.0"), t.signal);
    assert.equal(bad.state, RolloutState.ROLLED_BACK, bad.stateReason);
    assert.deepEqual(bad.progress?.byState, { "rolled-back": 1 });
    assert.equal(await versionOnDisk(installation, "till-1"), "1.0.0");

    await publish(installation, "3.0.0", "");
    const name = await startRollout(installation, "3.0.0");
    await agent.kill();
    await installation.gateways.get("gw-1")?.kill();
    await installation.center.kill();
    await installation.startCenter();
    await installation.startGateway("gw-1");
    await installation.startAgent(device);
    const third = await ended(installation, name, t.signal);
    assert.equal(third.state, RolloutState.SUCCEEDED, third.stateReason);
    assert.equal(await versionOnDisk(installation, "till-1"), "3.0.0");
  });
});
