// SPDX-License-Identifier: Apache-2.0
/** Decoders for tests: opened, so that any packet of their direction may come next. */
import type { DecoderLimits } from "../decoder-limits.ts";
import { PacketDecoder } from "../decoder.ts";
import { PacketType, type ProtocolLevel } from "../packet-type.ts";
import type { MalformedPacket, Packet } from "../packets.ts";

const OPENING = {
  server: {
    4: Buffer.from("100d00044d5154540402003c000161", "hex"),
    5: Buffer.from("100e00044d5154540502003c00000161", "hex"),
  },
  client: { 4: Buffer.from("20020000", "hex"), 5: Buffer.from("2003000000", "hex") },
} as const;

export interface DecoderFor {
  readonly level: ProtocolLevel;
  readonly receiver: "server" | "client";
  readonly limits?: DecoderLimits;
}

/** A decoder that has read nothing yet. */
export function freshDecoder(options: DecoderFor): PacketDecoder {
  const { level, receiver, limits } = options;
  const base = limits === undefined ? {} : { limits };
  return receiver === "server"
    ? new PacketDecoder({ ...base, receiver })
    : new PacketDecoder({ ...base, receiver, protocolLevel: level });
}

/** A decoder that has read CONNECT or CONNACK. */
export function openDecoder(options: DecoderFor): PacketDecoder {
  const decoder = freshDecoder(options);
  decoder.push(OPENING[options.receiver][options.level]);
  decoder.next();
  decoder.next();
  return decoder;
}

/** A decoder in the state in which a packet that starts with `firstByte` may come. */
export function decoderBefore(firstByte: number, options: DecoderFor): PacketDecoder {
  const type = firstByte >> 4;
  const opens = type === PacketType.Connect || type === PacketType.Connack;
  return opens ? freshDecoder(options) : openDecoder(options);
}

/** Everything that comes of the chunks; ends with the failure if there is one. */
export function decodeAll(
  decoder: PacketDecoder,
  chunks: readonly Uint8Array[],
): (Packet | MalformedPacket)[] {
  const packets: (Packet | MalformedPacket)[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let packet = decoder.next(); packet !== null; packet = decoder.next()) {
      packets.push(packet);
      if (packet.type === 0) return packets;
    }
  }
  return packets;
}
