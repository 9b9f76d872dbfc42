// SPDX-License-Identifier: Apache-2.0
/** A connection without a socket: bytes in, packets out, and what became of the messages. */
import assert from "node:assert/strict";
import { encodeConnect } from "../../../../protocol/mqtt/connect-encoder.ts";
import { PacketDecoder } from "../../../../protocol/mqtt/decoder.ts";
import { encodePublish } from "../../../../protocol/mqtt/encoder.ts";
import {
  PACKET_NAMES,
  type ProtocolLevel,
  type QoS,
} from "../../../../protocol/mqtt/packet-type.ts";
import type { ConnectFields, MalformedPacket, Packet } from "../../../../protocol/mqtt/packets.ts";
import { encodeSubscribe } from "../../../../protocol/mqtt/subscribe-encoder.ts";
import { ListenerBench } from "../../testing/listener-bench.ts";
import { MqttConnection } from "../connection.ts";

export const PREFIX: string = "muster/v1/default/pump-1";

/** Both ends of a connection in memory: what the gateway writes lies in `packets`. */
export class MqttBench extends ListenerBench {
  connection: MqttConnection;
  #level: ProtocolLevel;

  constructor(level: ProtocolLevel) {
    super();
    this.#level = level;
    this.connection = this.#open();
  }

  #open(): MqttConnection {
    const connection = new MqttConnection({
      context: this.context,
      transport: this,
      peer: { identity: { role: "device", tenant: "default", device: "pump-1" }, serial: "0a" },
    });
    assert.equal(connection.begin(), true);
    return connection;
  }

  /** The device connects anew; what the gateway said on the connection before is forgotten. */
  again(fields: Partial<ConnectFields> = {}, level: ProtocolLevel = this.#level): Packet[] {
    this.written.length = 0;
    this.#decoder = null;
    this.#level = level;
    this.isDestroyed = false;
    this.connection = this.#open();
    return this.connect(fields);
  }

  /** What the gateway has written since the last call. */
  packets(): Packet[] {
    this.#decoder ??= new PacketDecoder({ receiver: "client", protocolLevel: this.#level });
    this.#decoder.push(Buffer.concat(this.written.splice(0)));
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
