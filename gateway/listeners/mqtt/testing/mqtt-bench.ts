// SPDX-License-Identifier: Apache-2.0
/** A connection without a socket: bytes in, packets out, and what became of the messages. */
import assert from "node:assert/strict";
import { Registry } from "prom-client";
import { SILENT_LOGGER } from "../../../../ports/logger.ts";
import { encodeConnect } from "../../../../protocol/mqtt/connect-encoder.ts";
import { DEFAULT_DECODER_LIMITS } from "../../../../protocol/mqtt/decoder-limits.ts";
import { PacketDecoder } from "../../../../protocol/mqtt/decoder.ts";
import { encodePublish } from "../../../../protocol/mqtt/encoder.ts";
import {
  PACKET_NAMES,
  type ProtocolLevel,
  type QoS,
} from "../../../../protocol/mqtt/packet-type.ts";
import type { ConnectFields, MalformedPacket, Packet } from "../../../../protocol/mqtt/packets.ts";
import { encodeSubscribe } from "../../../../protocol/mqtt/subscribe-encoder.ts";
import { VirtualClock } from "../../../../test/helpers/virtual-clock.ts";
import { Suspects } from "../../../admission/suspects.ts";
import { GatewayMetrics } from "../../../metrics.ts";
import { IntakeResult } from "../../../pipeline/intake-result.ts";
import { Presence } from "../../../presence/presence.ts";
import { TimingWheel } from "../../../presence/timing-wheel.ts";
import type { CloseCause } from "../../../sessions/device-link.ts";
import { KeptSessions } from "../../../sessions/kept-sessions.ts";
import { SessionLifecycle } from "../../../sessions/session-lifecycle.ts";
import { SessionTable } from "../../../sessions/session-table.ts";
import { ProxiedSources } from "../../proxy/proxied-sources.ts";
import { MqttConnection } from "../connection.ts";
import type { MqttContext } from "../mqtt-context.ts";
import { SlowConsumers } from "../slow-consumers.ts";
import type { MqttTransport } from "../transport.ts";

export const PREFIX: string = "muster/v1/default/pump-1";

/** Both ends of a connection in memory: what the gateway writes lies in `packets`. */
export class MqttBench implements MqttTransport {
  readonly clock: VirtualClock = new VirtualClock();
  readonly table: SessionTable = new SessionTable({ maxSlots: 4 });
  readonly kept: KeptSessions = new KeptSessions({ clock: this.clock, maxSessions: 4 });
  readonly taken: { channel: string; text: string; ticket: number }[] = [];
  /** Wills of sessions that are over. */
  readonly late: string[] = [];
  readonly closed: CloseCause[] = [];
  readyCount = 0;
  readonly loadLevel = { isOverloaded: false };
  result: IntakeResult = IntakeResult.Taken;
  connection: MqttConnection;
  isDestroyed = false;
  writableLength = 0;
  /** The peer takes nothing: what is written stays. */
  isStuck = false;
  readonly #written: Buffer[] = [];
  #level: ProtocolLevel;
  readonly #context: MqttContext;

  constructor(level: ProtocolLevel) {
    this.#level = level;
    const { clock, table } = this;
    const wheel = new TimingWheel({ tickMs: 250, nowMs: 0 });
    const presence = new Presence({ clock, table, wheel, detectionMs: 2_000 });
    const limits = { connectDeadlineMs: 10_000, silenceLimitMs: 15_000 };
    const lifecycle = new SessionLifecycle({ table, presence, ...limits });
    presence.start(lifecycle);
    lifecycle.observe([
      {
        sessionOpened: () => {},
        sessionIdentified: () => {},
        sessionReady: () => void (this.readyCount += 1),
        sessionClosed: (_slot, cause) => void this.closed.push(cause),
      },
    ]);
    this.#context = {
      table,
      presence,
      lifecycle,
      logger: SILENT_LOGGER,
      metrics: new GatewayMetrics({ registry: new Registry() }),
      slowConsumers: new SlowConsumers({ clock }),
      suspects: new Suspects({ clock }),
      loadLevel: this.loadLevel,
      limits: DEFAULT_DECODER_LIMITS,
      kept: this.kept,
      terms: { silenceLimitMs: 15_000, maxPacketBytes: 65_536, sessionExpiryMaxSeconds: 3_600 },
      sources: new ProxiedSources([], SILENT_LOGGER),
      intake: {
        fault: "it is none",
        take: (_slot, channel, payload, ticket) => {
          this.taken.push({ channel, text: payload.toString(), ticket });
          return this.result;
        },
      },
    };
    this.kept.observe({
      holdEnded: () => {},
      willDue: (device, _ordinal, { payload }) =>
        void this.late.push(`${device}: ${payload.toString()}`),
    });
    this.connection = this.#open();
  }

  #open(): MqttConnection {
    const connection = new MqttConnection({
      context: this.#context,
      transport: this,
      peer: { identity: { role: "device", tenant: "default", device: "pump-1" }, serial: "0a" },
    });
    assert.equal(connection.begin(), true);
    return connection;
  }

  /** The device connects anew; what the gateway said on the connection before is forgotten. */
  again(fields: Partial<ConnectFields> = {}, level: ProtocolLevel = this.#level): Packet[] {
    this.#written.length = 0;
    this.#decoder = null;
    this.#level = level;
    this.isDestroyed = false;
    this.connection = this.#open();
    return this.connect(fields);
  }

  write(bytes: Uint8Array): void {
    this.#written.push(Buffer.from(bytes));
    if (this.isStuck) this.writableLength += bytes.length;
  }
  cork(): void {}
  uncork(): void {}
  readonly setTimeout = (): void => {};
  destroySoon(): void {
    this.isDestroyed = true;
  }
  destroy(): void {
    this.isDestroyed = true;
  }

  /** What the gateway has written since the last call. */
  packets(): Packet[] {
    this.#decoder ??= new PacketDecoder({ receiver: "client", protocolLevel: this.#level });
    this.#decoder.push(Buffer.concat(this.#written.splice(0)));
    const packets: (Packet | MalformedPacket)[] = [];
    for (let packet = this.#decoder.next(); packet !== null; packet = this.#decoder.next()) {
      packets.push(packet);
    }
    assert.ok(
      packets.every(({ type }) => type !== 0),
      "the gateway writes valid packets",
    );
    return packets as Packet[];
  }
  #decoder: PacketDecoder | null = null;

  connect(fields: Partial<ConnectFields> = {}): Packet[] {
    const connect = { clientId: "pump-1", cleanStart: true, keepAliveSeconds: 10 };
    const bytes = encodeConnect({ protocolLevel: this.#level, ...connect, ...fields });
    this.connection.receive(bytes);
    bytes.fill(0); // As a socket does, which uses its memory again.
    return this.packets();
  }

  publish(topic: string, qos: QoS, packetId: number, text = "{}"): Packet[] {
    const message = { topic, qos, packetId, payload: Buffer.from(text), retain: false, dup: false };
    this.connection.receive(encodePublish(this.#level, message));
    return this.packets();
  }

  subscribe(...filters: string[]): Packet[] {
    return this.subscribeAt(1, ...filters);
  }

  subscribeAt(qos: QoS, ...filters: string[]): Packet[] {
    const defaults = {
      qos,
      noLocal: false,
      retainAsPublished: false,
      retainHandling: 0,
    } as const;
    const subscriptions = filters.map((filter) => ({ filter, ...defaults }));
    this.connection.receive(encodeSubscribe(this.#level, { packetId: 9, subscriptions }));
    return this.packets();
  }
}

/** The packet ids of tests are below 256. */
export const pubrel = (packetId: number): Buffer => Buffer.of(0x62, 2, 0, packetId);

/** Each acknowledgement as its name and packet id. */
export function brief(packets: readonly Packet[]): string[] {
  return packets.map((packet) => {
    const packetId = "packetId" in packet ? packet.packetId : "";
    return `${PACKET_NAMES[packet.type]} ${packetId}`;
  });
}
