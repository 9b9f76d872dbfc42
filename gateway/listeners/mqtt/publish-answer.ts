// SPDX-License-Identifier: Apache-2.0
/** What answers a device's PUBLISH: PUBACK at QoS 1, PUBREC and PUBCOMP at QoS 2. */
import { encodeAcknowledgement, encodePuback } from "../../../protocol/mqtt/encoder.ts";
import { PacketType, type ProtocolLevel } from "../../../protocol/mqtt/packet-type.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import { PUBREC_BIT } from "../../sessions/ack-queue.ts";

/** The packet id of an answer that `AckQueue.shift` returned. */
export function answeredId(answer: number): number {
  return Math.floor(answer / 0x1_0000);
}

/** True when the device says next that it has the answer (PUBREL): it was not a refusal. */
export function awaitsRelease(answer: number): boolean {
  return (answer & PUBREC_BIT) !== 0 && (answer & 0xff) < 0x80;
}

/**
 * `answer` is what `AckQueue.shift` returned, `reason` what `takeReason` did. The sentence is left
 * out where the packet would have more than `reasonBytesMax` [MQTT-3.4.2-2] [MQTT-3.5.2-2], and at
 * level 4, which has neither code nor sentence.
 */
export function encodeAnswer(
  level: ProtocolLevel,
  answer: number,
  reason: string,
  reasonBytesMax: number,
): Buffer {
  const packetId = answeredId(answer);
  const type = (answer & PUBREC_BIT) === 0 ? PacketType.Puback : PacketType.Pubrec;
  const reasonCode = (answer & 0xff) as ReasonCode;
  if (reason !== "" && level === 5) {
    const properties = { reasonString: reason };
    const packet = { type, packetId, reasonCode, properties } as const;
    const explained = encodeAcknowledgement(level, packet);
    if (explained.length <= reasonBytesMax) return explained;
  }
  if (type === PacketType.Puback) return encodePuback(level, packetId, reasonCode);
  return encodeAcknowledgement(level, { type, packetId, reasonCode });
}

/** The answer to a message that was taken, where no other waits for its own. */
export function encodeTaken(level: ProtocolLevel, packetId: number, qos: 1 | 2): Buffer {
  if (qos === 1) return encodePuback(level, packetId);
  const reasonCode = ReasonCode.Success;
  return encodeAcknowledgement(level, { type: PacketType.Pubrec, packetId, reasonCode });
}

/** The answer to PUBREL; level 4 cannot say that the identifier was not known. */
export function encodePubcomp(level: ProtocolLevel, packetId: number, isKnown: boolean): Buffer {
  const reasonCode = isKnown ? ReasonCode.Success : ReasonCode.PacketIdentifierNotFound;
  return encodeAcknowledgement(level, { type: PacketType.Pubcomp, packetId, reasonCode });
}
