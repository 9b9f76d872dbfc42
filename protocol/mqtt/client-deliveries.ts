// SPDX-License-Identifier: Apache-2.0
/**
 * Messages of QoS 1 that a client has received and not acknowledged. Handlers may finish in any
 * order; acknowledgements leave in the order of arrival [MQTT-4.6.0-2].
 */
import type { ClientOutput } from "./client-output.ts";
import { encodePuback } from "./encoder.ts";
import { MALFORMED, type ProtocolLevel } from "./packet-type.ts";
import type { MalformedPacket, Publish } from "./packets.ts";
import { ReasonCode } from "./reason-codes.ts";

/**
 * QoS 1 messages in flight, each way: what a gateway keeps for a session, and no more. Announced as
 * Receive Maximum at level 5; a server of level 4 that sends more is cut off unannounced.
 */
export const IN_FLIGHT_MAX = 32;

function violation(reasonCode: ReasonCode, clause: string, message: string): MalformedPacket {
  return { type: MALFORMED, reasonCode, message, clause };
}
/** A correct packet that this client gave no reason to send. */
export const UNASKED: MalformedPacket = violation(
  ReasonCode.ProtocolError,
  "MQTT 5.0 §4.13.1",
  "the server answers what was never asked",
);
const UNASKED_QOS: MalformedPacket = violation(
  ReasonCode.ProtocolError,
  "MQTT-3.8.4-8",
  "the server sends QoS 2, which was not asked for",
);
const UNASKED_ALIAS: MalformedPacket = violation(
  ReasonCode.TopicAliasInvalid,
  "MQTT-3.1.2-27",
  "the server sends a topic alias, which was not offered",
);
const TOO_MANY: MalformedPacket = violation(
  ReasonCode.ReceiveMaximumExceeded,
  "MQTT-3.3.4-9",
  "the server sends more than may be unacknowledged",
);

export interface Delivery {
  readonly packetId: number;
  isHandled: boolean;
}

export class ClientDeliveries {
  readonly #output: ClientOutput;
  readonly #protocolLevel: ProtocolLevel;
  /** Oldest first. */
  readonly #unacknowledged: Delivery[] = [];

  constructor(options: { output: ClientOutput; protocolLevel: ProtocolLevel }) {
    this.#output = options.output;
    this.#protocolLevel = options.protocolLevel;
  }

  /** What is wrong with a message that is well-formed, or null. */
  violationBy(message: Publish): MalformedPacket | null {
    if (message.qos === 2) return UNASKED_QOS;
    if (message.properties?.topicAlias !== undefined) return UNASKED_ALIAS;
    const isOver = message.qos === 1 && this.#unacknowledged.length >= IN_FLIGHT_MAX;
    return isOver ? TOO_MANY : null;
  }

  /** A message whose handler has returned already. */
  addHandled(packetId: number): void {
    if (this.#unacknowledged.length === 0)
      this.#output.send(encodePuback(this.#protocolLevel, packetId));
    else this.#unacknowledged.push({ packetId, isHandled: true });
  }

  /** A message whose handler is still at work; `finish` tells when it is not. */
  add(packetId: number): Delivery {
    const delivery: Delivery = { packetId, isHandled: false };
    this.#unacknowledged.push(delivery);
    return delivery;
  }

  finish(delivery: Delivery): void {
    delivery.isHandled = true;
    for (let oldest = this.#unacknowledged[0]; oldest?.isHandled === true;) {
      this.#output.send(encodePuback(this.#protocolLevel, oldest.packetId));
      this.#unacknowledged.shift();
      oldest = this.#unacknowledged[0];
    }
  }
}
