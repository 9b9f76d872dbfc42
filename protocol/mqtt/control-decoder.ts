// SPDX-License-Identifier: Apache-2.0
/** Decodes DISCONNECT (§3.14) and AUTH (§3.15). */
import type { PacketReader } from "./packet-reader.ts";
import { PacketType } from "./packet-type.ts";
import type { Auth, Disconnect } from "./packets.ts";
import { decodeProperties } from "./property-decoder.ts";
import { isReasonCodeOf, ReasonCode } from "./reason-codes.ts";

/** "Goodbye" of most clients, and all that level 4 can say. */
const NORMAL_DISCONNECT: Disconnect = Object.freeze({
  type: PacketType.Disconnect,
  reasonCode: ReasonCode.Success,
  properties: undefined,
});

export function decodeDisconnect(reader: PacketReader): Disconnect {
  // At level 4 it is empty; whatever follows is reported as left over.
  if (reader.protocolLevel === 4 || reader.remaining() === 0) return NORMAL_DISCONNECT;
  const reasonCode = reader.uint8();
  if (!isReasonCodeOf(PacketType.Disconnect, reasonCode)) {
    const message = "DISCONNECT has a reason code that is not one of its own";
    reader.fail(ReasonCode.MalformedPacket, "MQTT-3.14.2-1", message);
    return NORMAL_DISCONNECT;
  }
  // The length of the properties may be left out (§3.14.2.2.1).
  const properties =
    reader.remaining() === 0 ? undefined : decodeProperties(reader, PacketType.Disconnect);
  if (reader.receiver === "client" && properties?.sessionExpiryIntervalSeconds !== undefined) {
    const message = "a server must not send a session expiry interval in DISCONNECT";
    reader.fail(ReasonCode.ProtocolError, "MQTT-3.14.2-2", message);
  }
  return { type: PacketType.Disconnect, reasonCode, properties };
}

export function decodeAuth(reader: PacketReader): Auth {
  // Code and properties may be left out together when the code is success (§3.15.2.1).
  if (reader.remaining() === 0) {
    return { type: PacketType.Auth, reasonCode: ReasonCode.Success, properties: undefined };
  }
  const reasonCode = reader.uint8();
  if (!isReasonCodeOf(PacketType.Auth, reasonCode)) {
    const message = "AUTH has a reason code that is not one of its own";
    reader.fail(ReasonCode.MalformedPacket, "MQTT-3.15.2-1", message);
    return { type: PacketType.Auth, reasonCode: ReasonCode.Success, properties: undefined };
  }
  const properties = decodeProperties(reader, PacketType.Auth);
  if (properties?.authenticationMethod === undefined) {
    const message = "AUTH has no authentication method";
    reader.fail(ReasonCode.ProtocolError, "MQTT 5.0 §3.15.2.2.2", message);
  }
  return { type: PacketType.Auth, reasonCode, properties };
}
