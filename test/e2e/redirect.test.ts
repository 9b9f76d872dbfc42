// SPDX-License-Identifier: Apache-2.0
/**
 * Two gateways of one region that each want a few devices: whoever comes to the one that is full is
 * sent to the other, an agent as well as a client of npm's mqtt; when both are full, devices stay.
 */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { connect, type IConnackPacket, type IClientOptions, type MqttClient } from "mqtt";
import { startInstallation, type Installation } from "../helpers/installation.ts";
import { until } from "../helpers/until.ts";

const WANTED = 3;
const TIMEOUT_MS = 30_000;
const USE_ANOTHER_SERVER = 0x9c;

class Region {
  readonly installation: Installation;
  readonly #context: TestContext;
  #count = 0;

  constructor(installation: Installation, context: TestContext) {
    this.installation = installation;
    this.#context = context;
  }

  port(gateway: string): number {
    return this.installation.gateway(gateway).port("insecureMqttPort");
  }

  /** A device that the center knows, which has not connected. */
  async device(): Promise<string> {
    const id = `dev-${++this.#count}`;
    await this.installation.operator.enrolDevice(id);
    return id;
  }

  open(id: string, gateway: string, options: Partial<IClientOptions> = {}): MqttClient {
    const client = connect(`mqtt://127.0.0.1:${this.port(gateway)}`, {
      clientId: id,
      protocolVersion: 5,
      keepalive: 10,
      reconnectPeriod: 0,
      ...options,
    });
    client.on("error", () => {}); // A refusal is one, too; the tests read CONNACK.
    this.#context.after(() => client.endAsync(true));
    return client;
  }

  async fill(gateway: string): Promise<void> {
    for (let index = 0; index < WANTED; index += 1) {
      const connack = await answered(this.open(await this.device(), gateway));
      assert.equal(connack.reasonCode, 0, `${gateway} has room`);
    }
  }

  /** Until the gateway sends devices on; what it answers one of this level then. */
  async sentOn(gateway: string, protocolVersion: 4 | 5): Promise<IConnackPacket> {
    const id = await this.device();
    let connack: IConnackPacket | undefined;
    const isSentOn = async (): Promise<boolean> => {
      const client = this.open(id, gateway, { protocolVersion });
      connack = await answered(client);
      await client.endAsync(true);
      return (connack.reasonCode ?? connack.returnCode) !== 0;
    };
    const { signal } = this.#context;
    await until(`${gateway} sends devices on`, isSentOn, { timeoutMs: TIMEOUT_MS, signal });
    assert(connack !== undefined);
    return connack;
  }

  /** Devices connected to this gateway, as the center has it. */
  async connectedTo(gateway: string): Promise<number> {
    const { gateways } = await this.installation.roles.session.client.listGateways({});
    return gateways.find(({ id }) => id === gateway)?.connectedDevices ?? 0;
  }
}

function answered(client: MqttClient): Promise<IConnackPacket> {
  return new Promise((resolve) => {
    client.on("packetreceive", (packet) => {
      if (packet.cmd === "connack") resolve(packet);
    });
  });
}

describe("a gateway that has as many devices as it wants", { timeout: 120_000 }, () => {
  it("sends further ones to another of its region, as long as that has room", async (t) => {
    await using installation = await startInstallation(t, {
      gateways: ["gw-1", "gw-2"],
      gatewayFlags: { "redirect-above": WANTED, "insecure-mqtt-port": 0 },
    });
    const region = new Region(installation, t);
    await region.fill("gw-1");
    const place = `127.0.0.1:${region.port("gw-2")}`;
    const refused = await region.sentOn("gw-1", 5);
    assert.equal(refused.reasonCode, USE_ANOTHER_SERVER);
    assert.equal(refused.properties?.serverReference, place);
    const old = await region.sentOn("gw-1", 4);
    assert.equal(old.returnCode, 3, "3.1.1 has no way to say where");

    // As docs/reference/mqtt.md shows it.
    const follower = region.open(await region.device(), "gw-1", {
      reconnectPeriod: 50,
      reconnectOnConnackError: true,
    });
    follower.on("packetreceive", (packet) => {
      if (packet.cmd !== "connack" || packet.reasonCode !== USE_ANOTHER_SERVER) return;
      const { hostname, port } = new URL(`mqtt://${packet.properties?.serverReference}`);
      Object.assign(follower.options, { host: hostname, hostname, port: Number(port) });
    });
    await new Promise((resolve) => void follower.once("connect", resolve));
    assert.equal(follower.options.port, region.port("gw-2"));

    const { roles } = installation;
    const [mqttsPort, artifactsPort] = ["mqttsPort", "artifactsPort"].map((name) =>
      installation.gateway("gw-1").port(name),
    );
    await roles.startAgent({
      id: "agent-1",
      inventory: {},
      flags: { gateway: `localhost:${mqttsPort}:${artifactsPort}` },
    });
    const waiting = { timeoutMs: TIMEOUT_MS, signal: t.signal };
    const hasFollowed = async (): Promise<boolean> => (await region.connectedTo("gw-2")) === 2;
    await until("the agent is at the other gateway", hasFollowed, waiting);
    assert.equal(await region.connectedTo("gw-1"), WANTED);

    const last = await answered(region.open(await region.device(), "gw-2"));
    assert.equal(last.reasonCode, 0);
    const isTaken = async (): Promise<boolean> => {
      const client = region.open(await region.device(), "gw-1");
      const { reasonCode } = await answered(client);
      return reasonCode === 0;
    };
    await until("who comes when all are full stays", isTaken, waiting);
    const { gateways } = await installation.roles.session.client.listGateways({});
    assert.deepEqual(
      gateways.map(({ connectionLimit }) => connectionLimit),
      [WANTED, WANTED],
    );
  });
});
