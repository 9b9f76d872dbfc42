// SPDX-License-Identifier: Apache-2.0
/**
 * A real backlog: the center is stopped, 320 devices report, and a gateway process holds more than
 * 10,000 reports that nobody confirms. Its agents send fewer heartbeats then, all but a critical
 * one, and as usual again when the center is back.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, it } from "node:test";
import type { RoleProcess } from "../../cli/demo/role-process.ts";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import { upTopic } from "../../protocol/device/topics.ts";
import { MqttClientSession } from "../../protocol/mqtt/client.ts";
import type { PublishOutcome } from "../../protocol/mqtt/client-outcomes.ts";
import { Presence } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { systemClock } from "../../runtime/system-clock.ts";
import { systemRandom } from "../../runtime/system-random.ts";
import { startSwarm, type RunningSwarm } from "../../simulator/swarm/swarm.ts";
import { startInstallation, type Installation } from "../helpers/installation.ts";
import { until } from "../helpers/until.ts";

const TIMEOUT_MS = 120_000;
const WAIT_MS = 40_000;
const LOADER_COUNT = 320;
/** As many as a gateway takes of one device unacknowledged: 10,240 of all. */
const REPORTS_A_LOADER = 32;
/** Heartbeats come every second, and every six when the gateway wants fewer. */
const MEASURED_BEATS = 6;
const SWARM_COUNT = 10;

/** The value of one series of the role's `/metrics`. */
async function metric(role: RoleProcess, series: string): Promise<number> {
  const page = await fetch(`http://127.0.0.1:${role.port("adminPort")}/metrics`);
  const line = (await page.text()).split("\n").find((text) => text.startsWith(`${series} `));
  assert.ok(line !== undefined, `${role.name} has a metric ${series}`);
  return Number(line.slice(series.length + 1));
}

const beats = (agent: RoleProcess): Promise<number> =>
  metric(agent, "muster_agent_heartbeats_sent_total");

interface SceneParts {
  readonly installation: Installation;
  readonly pump: RoleProcess;
  /** Critical. */
  readonly press: RoleProcess;
  readonly swarm: RunningSwarm;
  readonly loaders: readonly MqttClientSession[];
  readonly signal: AbortSignal;
}

class Scene {
  readonly parts: SceneParts;

  constructor(parts: SceneParts) {
    this.parts = parts;
  }

  until(what: string, check: () => Promise<boolean> | boolean): Promise<void> {
    return until(what, check, { timeoutMs: WAIT_MS, signal: this.parts.signal });
  }

  gauge(name: string): Promise<number> {
    return metric(this.parts.installation.gateway(), `muster_gateway_${name}`);
  }

  async isEverybodyThere(): Promise<boolean> {
    const { client } = this.parts.installation.operator;
    const { devices } = await client.listDevices({ pageSize: 1_000 });
    const online = devices.filter(({ presence }) => presence === Presence.ONLINE);
    const isQuiet = (await this.gauge("backlog")) === 0;
    return online.length === LOADER_COUNT + SWARM_COUNT + 2 && isQuiet;
  }

  /** Heartbeats of the ordinary devices while the critical one sends MEASURED_BEATS. */
  async measure(): Promise<{ agent: number; swarmDevice: number }> {
    const { pump, press, swarm } = this.parts;
    const agent = await beats(pump);
    const { heartbeats } = swarm.stats();
    const end = (await beats(press)) + MEASURED_BEATS;
    await this.until("the critical device beats", async () => (await beats(press)) >= end);
    return {
      agent: (await beats(pump)) - agent,
      swarmDevice: (swarm.stats().heartbeats - heartbeats) / SWARM_COUNT,
    };
  }
}

async function setScene(stack: AsyncDisposableStack, signal: AbortSignal): Promise<Scene> {
  const gatewayFlags = { "insecure-mqtt-port": 0 };
  const installation = stack.use(await startInstallation({ signal }, { gatewayFlags }));
  const { operator, roles } = installation;
  const pump = await roles.startAgent({ id: "pump-1", inventory: {} });
  const press = await roles.startAgent({ id: "press-1", inventory: {}, critical: true });
  const ids = Array.from({ length: SWARM_COUNT }, (_, index) => `sim-${index}`);
  const devices = ids.map((id) => ({ id, region: "local" }));
  await operator.client.registerDevices({ devices });
  const { tokens } = await operator.client.enrolDevices({ devices: ids });
  const swarm = stack.use(
    await startSwarm({
      deviceCount: SWARM_COUNT,
      behaviours: { good: 1 },
      seed: 5,
      enrolmentUrl: installation.enrolmentUrl,
      tokens,
      dataDirectory: installation.folder.join("swarm"),
      heartbeatIntervalMs: 1_000,
      clock: systemClock,
      random: systemRandom,
      logger: SILENT_LOGGER,
      signal,
    }),
  );
  const loaders = await connectLoaders(installation);
  stack.defer(async () => void (await Promise.all(loaders.map((it) => it.disconnect()))));
  return new Scene({ installation, pump, press, swarm, loaders, signal });
}

/** Devices without TLS that do nothing but report. */
async function connectLoaders(installation: Installation): Promise<MqttClientSession[]> {
  const ids = Array.from({ length: LOADER_COUNT }, (_, index) => `loader-${index}`);
  const devices = ids.map((id) => ({ id, region: "local" }));
  await installation.operator.client.registerDevices({ devices });
  const port = installation.gateway().port("insecureMqttPort");
  return await Promise.all(
    ids.map(async (clientId) => {
      const transport = connect(port, "127.0.0.1");
      await once(transport, "connect");
      const options = { transport, clock: systemClock, protocolLevel: 5 as const };
      const session = new MqttClientSession({ ...options, onPublish: () => {} });
      const fields = { clientId, cleanStart: true, keepAliveSeconds: 10 };
      const outcome = await session.connect(fields, new AbortController().signal);
      assert.equal(outcome.kind, "accepted", clientId);
      return session;
    }),
  );
}

function reportAll(loaders: readonly MqttClientSession[]): Promise<PublishOutcome>[] {
  return loaders.flatMap((session, index) =>
    Array.from({ length: REPORTS_A_LOADER }, (_, number) => {
      const report = { rollout: 1, position: index, generation: number + 1, sequence: 1 };
      const payload = Buffer.from(JSON.stringify({ ...report, phase: "accepted" }));
      return session.publish(upTopic("default", `loader-${index}`, "report"), payload, { qos: 1 });
    }),
  );
}

describe("a backlog of more than 10,000", { timeout: TIMEOUT_MS }, () => {
  it("makes the heartbeats of ordinary devices rarer, until the center is back", async (t) => {
    await using stack = new AsyncDisposableStack();
    const scene = await setScene(stack, t.signal);
    const { installation, pump, swarm, loaders } = scene.parts;
    const { center } = installation.roles;
    await scene.until("everybody is online", () => scene.isEverybodyThere());
    const before = await scene.measure();
    assertUsual(before);

    center.signal("SIGSTOP");
    const reports = reportAll(loaders);
    const areSlowed = async (): Promise<boolean> =>
      (await scene.gauge("slowed_devices")) === SWARM_COUNT + 1;
    await scene.until("the ordinary devices are told", areSlowed);
    assert.equal(await scene.gauge("held_reports"), LOADER_COUNT * REPORTS_A_LOADER);
    assert.equal(await scene.gauge("backlog_exceeded"), 1);
    const meanwhile = await scene.measure();
    assert.ok(meanwhile.agent <= 2 && meanwhile.swarmDevice <= 2, JSON.stringify(meanwhile));

    center.signal("SIGCONT");
    const outcomes = await Promise.all(reports);
    assert.ok(outcomes.every(({ kind }) => kind === "acknowledged"));
    const isOver = async (): Promise<boolean> =>
      (await scene.gauge("backlog_exceeded")) + (await scene.gauge("slowed_devices")) === 0;
    await scene.until("all are told that it is over", isOver);
    const after = await scene.measure();
    assertUsual(after);
    assert.equal(await metric(pump, "muster_agent_link_disconnects_total"), 0);
    assert.equal(swarm.stats().connected, SWARM_COUNT);
    assert.ok(loaders.every(({ isOpen }) => isOpen));
    t.diagnostic(JSON.stringify({ before, meanwhile, after }));
  });
});

function assertUsual(measured: { agent: number; swarmDevice: number }): void {
  const least = MEASURED_BEATS - 2;
  assert.ok(
    measured.agent >= least && measured.swarmDevice >= least,
    `${JSON.stringify(measured)} where ${MEASURED_BEATS} are usual`,
  );
}
