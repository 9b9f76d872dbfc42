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

const run = promisify(execFile);
const HEARTBEAT_MS = 1_000;
const MISSES = 3;
const TIMEOUT_MS = 120_000;

const SPEC: Spec = {
  selector: "",
  waves: [{ kind: { case: "percent", value: 100 } }],
  maxInFlight: { kind: { case: "percent", value: 100 } },
  blastRadius: { kind: { case: "percent", value: 100 } },
  soakMs: 500n,
};

/** With the defaults a device is found 15 s after its last packet, or up to 2 s later. */
const DEFAULT_SILENCE_MS = { least: 15_000, most: 17_000 };
/** From the gateway's verdict to what a poll of the center shows. */
const SHOWN_WITHIN_MS = 1_000;

function startFleet(signal: AbortSignal): Promise<Fleet> {
  return Fleet.start({
    devices: mixedDevices(40, { good: 1 }, 7),
    seed: 7,
    gateways: ["gw-1", "gw-2"],
    heartbeatMs: HEARTBEAT_MS,
    signal,
  });
}

describe("a stopped process", { timeout: TIMEOUT_MS * 2 }, () => {
  it("a center that stops while devices finish loses no result and doubles none", async (t) => {
    await using fleet = await startFleet(t.signal);
    const { installation } = fleet;
    await fleet.publish("1.0.0", "");
    await fleet.startRollout("first", { ...SPEC, release: `${RELEASE}@1.0.0` });
    const { signal } = t;
    await until(
      "some devices have accepted",
      () => [...fleet.swarm.devices()].some((device) => device.exposedRollouts.length > 0),
      { timeoutMs: TIMEOUT_MS, signal },
    );
    installation.center.signal("SIGSTOP");
    await until(
      "devices hold reports that nobody has acknowledged",
      () => [...fleet.swarm.devices()].filter((device) => device.pendingReports > 0).length > 5,
      { timeoutMs: TIMEOUT_MS, signal },
    );
    await installation.center.kill();
    await installation.startCenter();
    const rollout = await fleet.rolloutEnd("first", TIMEOUT_MS);
    assert.deepEqual(rollout.progress?.byState, { succeeded: 40 }, rollout.stateReason);
    const history = await fleet.history();
    assert.deepEqual(checkAll(history), []);
  });

  it("a gateway that stops is offline after three misses, its devices unknown", async (t) => {
    await using fleet = await startFleet(t.signal);
    const { installation } = fleet;
    const { client } = installation.session;
    const stopped = installation.gateways.get("gw-1");
    const other = installation.gateways.get("gw-2");
    assert.ok(stopped !== undefined && other !== undefined);
    const { devices } = await client.listDevices({ pageSize: 100 });
    const its = devices.filter((device) => device.gateway === "gw-1").map(({ id }) => id);
    assert.ok(its.length > 5, `${its.length} devices are connected to it`);
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
    assert.ok(presences.length > 0, "some have not moved on yet");
    assert.deepEqual(
      presences.filter((presence) => presence !== Presence.UNKNOWN),
      [],
    );
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
    stopped.signal("SIGCONT");
  });

  it("a device that falls silent is found 15 to 17 s after its last heartbeat", async (t) => {
    const devices = mixedDevices(4, { silent: 1 }, 7);
    const { signal } = t;
    const seed = 7;
    const heartbeatMs = 5_000;
    await using fleet = await Fleet.start({
      devices,
      seed,
      gateways: ["gw-1"],
      heartbeatMs,
      signal,
    });
    const { client } = fleet.installation.session;
    await fleet.publish("1.0.0", "");
    await fleet.startRollout("first", { ...SPEC, release: `${RELEASE}@1.0.0` });
    let silenceMs = 0;
    await until(
      "the first silent device is called offline",
      async () => {
        const list = await client.listDevices({ pageSize: 10 });
        const found = list.devices.find(({ presence }) => presence === Presence.OFFLINE);
        silenceMs = systemClock.wallMs() - Number(found?.lastSeenAtMs ?? 0n);
        return found !== undefined;
      },
      { timeoutMs: TIMEOUT_MS, signal },
    );
    const { least, most } = DEFAULT_SILENCE_MS;
    assert.ok(silenceMs >= least, `not before ${least} ms, but after ${silenceMs}`);
    assert.ok(silenceMs <= most + SHOWN_WITHIN_MS, `within ${most} ms, not after ${silenceMs}`);
    t.diagnostic(`silent for ${silenceMs} ms when it was shown as offline`);
  });
});
