// SPDX-License-Identifier: Apache-2.0
/** A device of a test: the real MQTT client over real TLS, and lists of what it heard. */
import { connect, type TLSSocket } from "node:tls";
import type { DownChannel, UpChannel } from "../../../protocol/device/topics.ts";
import { topicPrefix, upTopic } from "../../../protocol/device/topics.ts";
import { MqttClientSession } from "../../../protocol/mqtt/client.ts";
import type { CloseReason, PublishOutcome } from "../../../protocol/mqtt/client-outcomes.ts";
import type { ProtocolLevel } from "../../../protocol/mqtt/packet-type.ts";
import type { Connack } from "../../../protocol/mqtt/packets.ts";
import type { Properties } from "../../../protocol/mqtt/properties.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import type { KeyAndCertificate } from "./fixture-authority.ts";

const NEVER = new AbortController().signal;

export interface TestDeviceOptions {
  readonly port: number;
  readonly identity: KeyAndCertificate;
  readonly tenant: string;
  readonly device: string;
  readonly protocolLevel?: ProtocolLevel;
  readonly clientId?: string;
  readonly keepAliveSeconds?: number;
  /** Of CONNECT. */
  readonly properties?: Properties;
  /** A TLS session to resume. */
  readonly session?: Buffer | undefined;
}

export class TestDevice {
  /** Text of each message on `down/…`, with its channel. */
  readonly heard: { channel: DownChannel; json: unknown }[] = [];
  /** TLS sessions with which the device could resume. */
  readonly tickets: Buffer[];
  readonly #options: TestDeviceOptions;
  readonly session: MqttClientSession;
  readonly socket: TLSSocket;
  connack: Connack | null = null;
  closeReason: CloseReason | null = null;

  private constructor(options: TestDeviceOptions, opened: OpenedTls) {
    const { socket } = opened;
    this.#options = options;
    this.socket = socket;
    this.tickets = opened.tickets;
    this.session = new MqttClientSession({
      transport: socket,
      clock: systemClock,
      protocolLevel: options.protocolLevel ?? 5,
      onPublish: (message) => {
        const channel = message.topic.split("/").at(-1) as DownChannel;
        this.heard.push({ channel, json: JSON.parse(message.payload.toString("utf8")) });
      },
    });
    void this.session.closed.then((reason) => {
      this.closeReason = reason;
    });
  }

  /** Connects; `connack` is null when the gateway refused, `closeReason` says how. */
  static async connect(options: TestDeviceOptions): Promise<TestDevice> {
    const device = new TestDevice(options, await openTls(options));
    const outcome = await device.session.connect(
      {
        clientId: options.clientId ?? options.device,
        cleanStart: true,
        keepAliveSeconds: options.keepAliveSeconds ?? 10,
        ...(options.properties === undefined ? {} : { properties: options.properties }),
      },
      NEVER,
    );
    if (outcome.kind === "accepted") device.connack = outcome.connack;
    else device.closeReason = outcome.reason;
    return device;
  }

  /** Subscribes to everything below the device's own `down/`. */
  async subscribeDown(filter = "+"): Promise<void> {
    const { tenant, device } = this.#options;
    await this.session.subscribe([`${topicPrefix(tenant, device)}/down/${filter}`], { qos: 1 });
  }

  publish(channel: UpChannel, message: unknown, qos: 0 | 1 = 1): Promise<PublishOutcome> {
    const { tenant, device } = this.#options;
    const isText = typeof message === "string" || message instanceof Uint8Array;
    const payload = Buffer.from(isText ? message : JSON.stringify(message));
    return this.session.publish(upTopic(tenant, device, channel), payload, { qos });
  }

  /** The messages of one channel, oldest first. */
  heardOn(channel: DownChannel): unknown[] {
    return this.heard.filter((message) => message.channel === channel).map(({ json }) => json);
  }
}

interface OpenedTls {
  readonly socket: TLSSocket;
  readonly tickets: Buffer[];
}

function openTls(options: TestDeviceOptions): Promise<OpenedTls> {
  const { key, cert, ca } = options.identity;
  const tls = { host: "127.0.0.1", port: options.port, key, cert, ca };
  const resumed = options.session === undefined ? {} : { session: options.session };
  return new Promise((resolve, reject) => {
    const tickets: Buffer[] = [];
    const socket = connect({ ...tls, ...resumed }, () => resolve({ socket, tickets }));
    socket.on("session", (session: Buffer) => void tickets.push(session));
    socket.once("error", reject);
  });
}

/** A report as a device sends it. */
export function report(generation: number, phase: string, sequence = 1): object {
  return { rollout: 1, position: generation, generation, sequence, phase };
}
