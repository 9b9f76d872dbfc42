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
import { ReasonCode } from "../../protocol/mqtt/reason-codes.ts";
import { readIdentities } from "../../simulator/swarm/identity-book.ts";
import { until } from "../helpers/until.ts";
import { TestDevice } from "../integration/gateway/test-device.ts";
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

/** Replaces every worker; resolves when all devices are connected to the new ones. */
async function upgrade({ parentPid, workers, whole }: Stage, signal: AbortSignal): Promise<void> {
  const wait = { timeoutMs: TIMEOUT_MS, signal };
  const before = await workers();
  process.kill(parentPid, "SIGHUP");
  const isReplaced = async (): Promise<boolean> => {
    const now = await workers();
    return now.length === WORKERS && !now.some((pid) => before.includes(pid));
  };
  await until("every worker is another one", isReplaced, wait);
  await until("all devices are connected", whole, wait);
}

/** A connection of this device, resumed if there is a ticket, beside the swarm. */
async function connectOne(
  { installation }: Fleet,
  device: string,
  session?: Buffer,
): Promise<TestDevice> {
  const identities = await readIdentities(installation.at("swarm"));
  const identity = identities?.byId.get(device);
  assert.ok(identities !== null && identity !== undefined);
  const { keyPem: key, certPem: cert } = identity;
  const port = installation.gateways.get("gw-1")?.port("mqttsPort") ?? 0;
  const pems = { key, cert, ca: identities.anchors.caPem };
  return TestDevice.connect({ port, identity: pems, tenant: "default", device, session });
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
    const stage = await start(t);
    const { fleet, whole } = stage;
    await using _ = fleet;
    await until("all are known", whole, { timeoutMs: TIMEOUT_MS, signal: t.signal });
    await fleet.publish("1.0.0");
    await fleet.startRollout("first", {
      release: `${RELEASE}@1.0.0`,
      soakMs: 1_000n,
      maxInFlight: { kind: { case: "count", value: 10 } },
    });
    await upgrade(stage, t.signal);
    const rollout = await fleet.rolloutEnd("first", TIMEOUT_MS);
    assert.equal(rollout.state, RolloutState.SUCCEEDED, rollout.stateReason);
    assert.deepEqual(rollout.progress?.byState, { succeeded: DEVICE_COUNT });
    assert.deepEqual(checkAll(await fleet.history()), []);
  });

  it("resumes a device at any of them, and at those after them, until it is retired", async (t) => {
    const stage = await start(t);
    const { fleet, whole } = stage;
    await using _ = fleet;
    const wait = { timeoutMs: TIMEOUT_MS, signal: t.signal };
    await until("all are known", whole, wait);
    const first = await connectOne(fleet, "sim-1");
    await until("it has a ticket", () => first.tickets.length > 0, wait);
    const [ticket] = first.tickets;
    const resume = async (): Promise<void> => {
      const { socket, connack } = await connectOne(fleet, "sim-1", ticket);
      assert.equal(socket.isSessionReused(), true);
      assert.equal(connack?.reasonCode, ReasonCode.Success);
      socket.destroy();
    };
    // That all of them meet one worker happens once in 6,000 times.
    for (let time = 0; time < 9; time += 1) await resume();
    await upgrade(stage, t.signal);
    for (let time = 0; time < 9; time += 1) await resume();
    const { client, mutation } = fleet.installation.session;
    await client.retireDevice({ mutation: mutation(), id: "sim-1" });
    const last = await connectOne(fleet, "sim-1", ticket);
    assert.equal(last.socket.isSessionReused(), true);
    await until("it is turned away", () => last.closeReason !== null, wait);
  });
});
