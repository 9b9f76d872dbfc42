// SPDX-License-Identifier: Apache-2.0
/**
 * A gateway of three workers: its devices are spread over them, one that is killed is started
 * again while its devices are served by the others, and all are replaced under a rollout without
 * anybody noticing more than a new connection.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { describe, it, type TestContext } from "node:test";
import { Presence, RolloutState } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { checkAll } from "../../simulator/checkers/checkers.ts";
import { until } from "../helpers/until.ts";
import { deviceGroup, Fleet, RELEASE } from "./fleet.ts";

const WORKERS = 3;
const DEVICE_COUNT = 60;
const TIMEOUT_MS = 60_000;

/** Process ids of a gateway's workers, oldest first. */
async function workersOf(pid: number): Promise<number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.trim().split(" ").map(Number);
}

function isRunning(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

interface Stage {
  readonly fleet: Fleet;
  readonly parentPid: number;
  readonly workers: () => Promise<number[]>;
  /** Devices connected to each worker that is online, as the center has it. */
  readonly spread: () => Promise<number[]>;
  readonly whole: () => Promise<boolean>;
}

async function start(t: TestContext): Promise<Stage> {
  const fleet = await Fleet.start({
    devices: deviceGroup("sim", "good", DEVICE_COUNT),
    seed: 11,
    gateways: ["gw-1"],
    gatewayFlags: { workers: WORKERS },
    signal: t.signal,
  });
  const parentPid = Number(fleet.installation.gateways.get("gw-1")?.facts["pid"]);
  const spread = async (): Promise<number[]> => {
    const { gateways } = await fleet.installation.session.client.listGateways({});
    return gateways.flatMap((each) => (each.online ? [each.connectedDevices] : []));
  };
  const whole = async (): Promise<boolean> => {
    const counts = await spread();
    const connected = counts.reduce((sum, count) => sum + count, 0);
    return counts.length === WORKERS && connected === DEVICE_COUNT;
  };
  return { fleet, parentPid, workers: () => workersOf(parentPid), spread, whole };
}

async function presences(fleet: Fleet): Promise<Map<Presence, number>> {
  const { devices } = await fleet.installation.session.client.listDevices({ pageSize: 1_000 });
  const counts = new Map<Presence, number>();
  for (const { presence } of devices) counts.set(presence, (counts.get(presence) ?? 0) + 1);
  return counts;
}

const supported = process.platform === "linux";

describe("a gateway of several workers", { timeout: TIMEOUT_MS * 4, skip: !supported }, () => {
  it("spreads its devices, and starts a worker that was killed again", async (t) => {
    const { fleet, parentPid, workers, spread, whole } = await start(t);
    await using _ = fleet;
    const wait = { timeoutMs: TIMEOUT_MS, signal: t.signal };
    await until("all are known", whole, wait);
    assert.ok(Math.min(...(await spread())) > 0, "the system gave a worker nothing");
    const before = await workers();
    const [, victim = 0] = before;
    process.kill(victim, "SIGKILL");
    let mostOffline = 0;
    await until(
      "the worker is back and all devices are connected",
      async () => {
        mostOffline = Math.max(mostOffline, (await presences(fleet)).get(Presence.OFFLINE) ?? 0);
        return (await whole()) && !(await workers()).includes(victim);
      },
      wait,
    );
    assert.equal(mostOffline, 0, "nobody was offline: of the killed worker they are unknown");
    const after = await workers();
    assert.equal(after.filter((pid) => before.includes(pid)).length, WORKERS - 1);
    await fleet.publish("1.0.0");
    await fleet.startRollout("first", { release: `${RELEASE}@1.0.0`, soakMs: 1_000n });
    process.kill(after[0] ?? 0, "SIGKILL");
    const rollout = await fleet.rolloutEnd("first", TIMEOUT_MS);
    assert.equal(rollout.state, RolloutState.SUCCEEDED, rollout.stateReason);

    await until("all workers are back", async () => (await workers()).length === WORKERS, wait);
    const last = await workers();
    process.kill(parentPid, "SIGKILL");
    await until("they end with their parent", () => !last.some(isRunning), wait);
  });

  it("replaces all of them under a rollout, and loses nothing", async (t) => {
    const { fleet, parentPid, workers, whole } = await start(t);
    await using _ = fleet;
    const wait = { timeoutMs: TIMEOUT_MS, signal: t.signal };
    await until("all are known", whole, wait);
    await fleet.publish("1.0.0");
    const before = await workers();
    await fleet.startRollout("first", {
      release: `${RELEASE}@1.0.0`,
      soakMs: 1_000n,
      maxInFlight: { kind: { case: "count", value: 10 } },
    });
    process.kill(parentPid, "SIGHUP");
    const isReplaced = async (): Promise<boolean> => {
      const now = await workers();
      return now.length === WORKERS && !now.some((pid) => before.includes(pid));
    };
    await until("every worker is another one", isReplaced, wait);
    await until("all devices are connected", whole, wait);
    const rollout = await fleet.rolloutEnd("first", TIMEOUT_MS);
    assert.equal(rollout.state, RolloutState.SUCCEEDED, rollout.stateReason);
    assert.deepEqual(rollout.progress?.byState, { succeeded: DEVICE_COUNT });
    assert.deepEqual(checkAll(await fleet.history()), []);
  });
});
