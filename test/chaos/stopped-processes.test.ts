// SPDX-License-Identifier: Apache-2.0
/**
 * Processes that are stopped (SIGSTOP): alive to the kernel, silent to everybody else. What a
 * center had not made durable was not acknowledged; what a gateway does not answer for is unknown.
 */
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { describe, it } from "node:test";
import { promisify } from "node:util";
import { Presence } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { checkAll } from "../../simulator/checkers/checkers.ts";
import { until } from "../helpers/until.ts";
import { Fleet, mixedDevices, RELEASE, type Spec } from "./fleet.ts";
import { ScriptedDevice } from "./scripted-device.ts";

const run = promisify(execFile);
const HEARTBEAT_MS = 1_000;
const MISSES = 3;
const DEVICE_COUNT = 40;
const TIMEOUT_MS = 120_000;

const SPEC: Spec = {
  selector: "",
  waves: [{ kind: { case: "percent", value: 100 } }],
  maxInFlight: { kind: { case: "percent", value: 100 } },
  blastRadius: { kind: { case: "percent", value: 100 } },
  soakMs: 500n,
};

function startFleet(gateways: readonly string[], signal: AbortSignal): Promise<Fleet> {
  return Fleet.start({
    devices: mixedDevices(DEVICE_COUNT, { good: 1 }, 7),
    seed: 7,
    gateways,
    heartbeatMs: HEARTBEAT_MS,
    signal,
  });
}

describe("a stopped process", { timeout: TIMEOUT_MS * 2 }, () => {
  it("a center that stops while devices finish loses no result and doubles none", async (t) => {
    await using fleet = await startFleet(["gw-1"], t.signal);
    const { installation, swarm } = fleet;
    await fleet.publish("1.0.0", "");
    await fleet.startRollout("first", { ...SPEC, release: `${RELEASE}@1.0.0` });
    const options = { timeoutMs: TIMEOUT_MS, signal: t.signal };
    // From here on the gateway has the release: nobody needs the center to finish.
    await until("a device runs the release", () => swarm.stats().activations > 0, options);
    installation.center.signal("SIGSTOP");
    const finishedBefore = swarm.stats().installed;
    const areDone = (): boolean => swarm.stats().installed === DEVICE_COUNT;
    await until("every device has finished", areDone, options);
    const waiting = [...swarm.devices()].filter(({ pendingReports }) => pendingReports > 0);
    assert.ok(finishedBefore < DEVICE_COUNT, "some finished while the center was stopped");
    assert.ok(
      waiting.length >= DEVICE_COUNT - finishedBefore,
      "nobody was told that a result is safe which the center cannot have",
    );
    await installation.center.kill();
    await installation.startCenter();
    const rollout = await fleet.rolloutEnd("first", TIMEOUT_MS);
    assert.deepEqual(rollout.progress?.byState, { succeeded: DEVICE_COUNT }, rollout.stateReason);
    assert.equal(swarm.stats().pendingReports, 0);
    const history = await fleet.history();
    assert.deepEqual(checkAll(history), []);
  });

  it("a gateway that stops is offline after three misses, its devices unknown", async (t) => {
    await using fleet = await startFleet(["gw-1", "gw-2"], t.signal);
    const { installation } = fleet;
    const { client } = installation.session;
    const stopped = installation.gateways.get("gw-1");
    const other = installation.gateways.get("gw-2");
    assert.ok(stopped !== undefined && other !== undefined);
    const { devices } = await client.listDevices({ pageSize: 100 });
    const its = devices.filter((device) => device.gateway === "gw-1").map(({ id }) => id);
    assert.ok(its.length > 5, `${its.length} devices are connected to it`);
    // It stays where it is; the others go to the other gateway when this one does not answer.
    await using staying = await ScriptedDevice.start(fleet, "staying", t.signal);
    const presenceOf = async (id: string): Promise<Presence | undefined> =>
      (await client.getDevice({ id })).device?.presence;
    const isThere = async (): Promise<boolean> =>
      (await presenceOf(staying.id)) === Presence.ONLINE;
    await until("it is online", isThere, { timeoutMs: TIMEOUT_MS, signal: t.signal });
    // Their sockets stay open to a process that does not answer: they must not be called offline.
    stopped.signal("SIGSTOP");
    const stoppedAtMs = systemClock.wallMs();
    const { signal } = t;
    await until(
      "the center calls the gateway offline",
      async () => {
        const { gateways } = await client.listGateways({});
        return gateways.find(({ id }) => id === "gw-1")?.online === false;
      },
      { timeoutMs: TIMEOUT_MS, signal },
    );
    const afterMs = systemClock.wallMs() - stoppedAtMs;
    assert.ok(afterMs > HEARTBEAT_MS * (MISSES - 1), `three misses take time, not ${afterMs} ms`);
    const now = await client.listDevices({ pageSize: 100 });
    const presences = now.devices
      .filter((device) => its.includes(device.id) && device.gateway === "gw-1")
      .map(({ presence }) => presence);
    assert.deepEqual(
      presences.filter((presence) => presence !== Presence.UNKNOWN),
      [],
    );
    assert.equal(await presenceOf(staying.id), Presence.UNKNOWN);
    await until(
      "the other gateway was told",
      async () =>
        (await readFile(installation.at("gw-2.log"), "utf8")).includes(
          "sibling gateway is offline",
        ),
      { timeoutMs: TIMEOUT_MS, signal },
    );
    const table = await run(process.execPath, ["cli/main.ts", "get", "gateways"], {
      env: {
        ...process.env,
        MUSTER_SERVER: `http://127.0.0.1:${installation.center.port("apiPort")}`,
        MUSTER_TOKEN: (await readFile(installation.at("center/operator/token"), "utf8")).trim(),
      },
    });
    const [, line = ""] = table.stdout.split("\n");
    const port = stopped.port("mqttsPort");
    assert.match(
      line,
      new RegExp(`^gw-1 +local +offline +127\\.0\\.0\\.1 +mqtts:${port} .*\\d{4}-`),
    );
    assert.equal(await presenceOf(staying.id), Presence.UNKNOWN, "however long it lasts");
    stopped.signal("SIGCONT");
  });
});
