// SPDX-License-Identifier: Apache-2.0
/**
 * A scripted gateway for one device: real TLS with a gateway's certificate, real MQTT packets, real
 * artifacts and trust metadata of a center's identity half. A test says when reports are
 * acknowledged, and what is offered.
 */
import type { ServerResponse } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import type { TLSSocket } from "node:tls";
import { enrolInMemory } from "../../../agent/trust/enrol.ts";
import { WorkingTime } from "../../../agent/trust/working-time.ts";
import type { DeviceReport } from "../../../protocol/device/report.ts";
import type { DeviceHeartbeat, DeviceHello } from "../../../protocol/device/status.ts";
import { downTopic } from "../../../protocol/device/topics.ts";
import { encodeConnack } from "../../../protocol/mqtt/connect-encoder.ts";
import { PacketDecoder } from "../../../protocol/mqtt/decoder.ts";
import { encodePuback, encodePublish, PINGRESP } from "../../../protocol/mqtt/encoder.ts";
import { MALFORMED, PacketType } from "../../../protocol/mqtt/packet-type.ts";
import type { MalformedPacket, Packet, Publish } from "../../../protocol/mqtt/packets.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import { encodeSuback } from "../../../protocol/mqtt/subscribe-encoder.ts";
import type { CenterFixture } from "../identity/center-fixture.ts";
import { TENANT } from "./fixture-release.ts";

/** Everything that was ever received, in order. */
export interface Received {
  readonly hellos: DeviceHello[];
  readonly heartbeats: DeviceHeartbeat[];
  readonly reports: DeviceReport[];
  connectionCount: number;
}

interface Closable {
  close(): unknown;
  closeAllConnections?(): void;
}

export class FakeGateway implements AsyncDisposable {
  readonly received: Received = { hellos: [], heartbeats: [], reports: [], connectionCount: 0 };
  readonly mqttsPort: number;
  readonly artifactsPort: number;
  /** False: the center is away, reports stay unacknowledged. */
  acknowledgesReports = true;
  readonly #device: string;
  readonly #servers: readonly Closable[];
  readonly #sockets: Set<TLSSocket>;
  #packetId = 0;
  #wake: () => void = () => {};

  constructor(options: {
    device: string;
    mqttsPort: number;
    artifactsPort: number;
    servers: readonly Closable[];
    sockets: Set<TLSSocket>;
  }) {
    this.#device = options.device;
    this.mqttsPort = options.mqttsPort;
    this.artifactsPort = options.artifactsPort;
    this.#servers = options.servers;
    this.#sockets = options.sockets;
  }

  get address(): { host: string; mqttsPort: number; artifactsPort: number } {
    return { host: "127.0.0.1", mqttsPort: this.mqttsPort, artifactsPort: this.artifactsPort };
  }

  /** Resolves when the condition holds; the test's own time-out bounds it. */
  async until(condition: (received: Received) => boolean): Promise<void> {
    while (!condition(this.received)) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }

  /** Until the generation's last word is this phase. */
  async untilReported(generation: number, phase: DeviceReport["phase"]): Promise<DeviceReport> {
    const isIt = (report: DeviceReport): boolean =>
      report.generation === generation && report.phase === phase;
    await this.until(({ reports }) => reports.some(isIt));
    return this.received.reports.find(isIt)!;
  }

  offer(message: Uint8Array): void {
    for (const socket of this.#sockets) {
      this.#packetId += 1;
      const topic = downTopic(TENANT, this.#device, "offer");
      const fields = { topic, payload: message, qos: 1, packetId: this.#packetId } as const;
      socket.write(encodePublish(5, { ...fields, retain: false, dup: false }));
    }
  }

  /** As when the process is killed: connections die, the ports stay as they are. */
  cutConnections(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.cutConnections();
    for (const server of this.#servers) {
      server.closeAllConnections?.();
      server.close();
    }
    return Promise.resolve();
  }

  /** One device's connection. */
  serve(socket: TLSSocket): void {
    this.#sockets.add(socket);
    const decoder = new PacketDecoder({ receiver: "server" });
    socket.on("data", (chunk: Buffer) => {
      decoder.push(chunk);
      for (let packet = decoder.next(); packet !== null; packet = decoder.next()) {
        this.#handle(socket, packet);
      }
      this.#wake();
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
  }

  #handle(socket: TLSSocket, packet: Packet | MalformedPacket): void {
    const reasonCode = ReasonCode.Success;
    switch (packet.type) {
      case PacketType.Connect:
        this.received.connectionCount += 1;
        socket.write(encodeConnack(5, { sessionPresent: false, reasonCode }));
        return;
      case PacketType.Subscribe: {
        const reasonCodes = [ReasonCode.GrantedQos1];
        socket.write(encodeSuback(5, { packetId: packet.packetId, reasonCodes }));
        return;
      }
      case PacketType.Pingreq:
        socket.write(PINGRESP);
        return;
      case PacketType.Publish:
        return this.#take(socket, packet);
      case PacketType.Disconnect:
        socket.end();
        return;
      case MALFORMED:
        throw new Error(`the agent sent a malformed packet: ${packet.message}`);
    }
  }

  #take(socket: TLSSocket, packet: Publish): void {
    const message: unknown = JSON.parse(packet.payload.toString("utf8"));
    const channel = packet.topic.split("/").at(-1);
    if (channel === "hello") this.received.hellos.push(message as DeviceHello);
    if (channel === "heartbeat") this.received.heartbeats.push(message as DeviceHeartbeat);
    if (channel === "report") this.received.reports.push(message as DeviceReport);
    if (packet.qos === 0 || (channel === "report" && !this.acknowledgesReports)) return;
    socket.write(encodePuback(5, packet.packetId, ReasonCode.Success));
  }
}

export async function startFakeGateway(
  center: CenterFixture,
  options: { gateway: string; device: string },
): Promise<FakeGateway> {
  const token = await center.token({
    role: "gateway",
    scope: "north",
    id: options.gateway,
    hosts: ["127.0.0.1"],
  });
  const { enrolmentUrl, signal, clock } = center;
  const workingTime = new WorkingTime({ clock, floorMs: 0 });
  const enrolled = await enrolInMemory({ enrolmentUrl, token, workingTime, signal });
  const tls = {
    key: enrolled.keyPem,
    cert: enrolled.certPem,
    ca: enrolled.caPem,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: "TLSv1.3",
  } as const;
  const mqtt = createTlsServer(tls, (socket) => gateway.serve(socket));
  const https = createHttpsServer(tls, (request, response) => {
    const path = request.url ?? "/";
    const trustFile = center.trust.files().find(({ name }) => path === `/tuf/${name}`);
    if (trustFile !== undefined) {
      response.end(trustFile.bytes);
      return;
    }
    const sha256 = path.replace("/artifacts/sha256/", "");
    void sendBlob(center, sha256, response);
  });
  for (const server of [mqtt, https]) {
    server.on("tlsClientError", () => {}); // A device that goes away in the middle.
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  }
  const gateway = new FakeGateway({
    device: options.device,
    mqttsPort: (mqtt.address() as AddressInfo).port,
    artifactsPort: (https.address() as AddressInfo).port,
    servers: [mqtt, https],
    sockets: new Set(),
  });
  return gateway;
}

async function sendBlob(
  center: CenterFixture,
  sha256: string,
  response: ServerResponse,
): Promise<void> {
  try {
    const chunks: Uint8Array[] = [];
    for await (const chunk of center.artifacts.read(sha256, center)) chunks.push(chunk);
    response.end(Buffer.concat(chunks));
  } catch {
    response.writeHead(404).end();
  }
}
