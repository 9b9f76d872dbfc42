// SPDX-License-Identifier: Apache-2.0
/** The PUBACK of an answer of an AckQueue. */
import { encodeAcknowledgement, encodePuback } from "../../../protocol/mqtt/encoder.ts";
import { PacketType, type ProtocolLevel } from "../../../protocol/mqtt/packet-type.ts";
import type { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";

/**
 * `answer` is what `AckQueue.shift` returned, `reason` what `takeReason` did. The sentence is left
 * out where the packet would have more than `reasonBytesMax` [MQTT-3.4.2-2], and at level 4, which
 * has neither code nor sentence.
 */
export function encodeAnswer(
  level: ProtocolLevel,
  answer: number,
  reason: string,
  reasonBytesMax: number,
): Buffer {
  const packetId = Math.floor(answer / 0x1_0000);
  const reasonCode = (answer & 0xff) as ReasonCode;
  if (reason !== "" && level === 5) {
    const properties = { reasonString: reason };
    const packet = { type: PacketType.Puback, packetId, reasonCode, properties } as const;
    const explained = encodeAcknowledgement(level, packet);
    if (explained.length <= reasonBytesMax) return explained;
  }
  return encodePuback(level, packetId, reasonCode);
}

/** The PUBACK to a message that was taken, where no other waits for its own. */
export function encodeTaken(level: ProtocolLevel, packetId: number): Buffer {
  return encodePuback(level, packetId);
}
