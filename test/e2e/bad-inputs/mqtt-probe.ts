// SPDX-License-Identifier: Apache-2.0
/** A device of somebody else's making: says what it is told over TLS, and hears what comes back. */
import { connect, type ConnectionOptions } from "node:tls";
import { encodeConnect } from "../../../protocol/mqtt/connect-encoder.ts";
import { PacketDecoder } from "../../../protocol/mqtt/decoder.ts";
import { MALFORMED, PacketType, type ProtocolLevel } from "../../../protocol/mqtt/packet-type.ts";
import type { MalformedPacket, Packet } from "../../../protocol/mqtt/packets.ts";
import { reasonCodeName } from "../../../protocol/mqtt/reason-codes.ts";

const TIMEOUT_MS = 10_000;
const CLOSED = "connection closed";

export interface Probe {
  readonly port: number;
  /** Certificate, key, and the authority that the gateway must lead to. */
  readonly tls: ConnectionOptions;
  /** Default 5. */
  readonly level?: ProtocolLevel;
  readonly clientId: string;
  /** Sent when the gateway has accepted CONNECT. */
  readonly afterwards?: Uint8Array;
  /** Sent instead of CONNECT. */
  readonly insteadOfConnect?: Uint8Array;
}

/**
 * Resolves with the answer that ends the matter: `CONNACK 0x85 ClientIdentifierNotValid`,
 * `PUBACK …`, `DISCONNECT …`, `TLS …`, or `connection closed`.
 */
export function probe(options: Probe): Promise<string> {
  const { port, tls, level = 5, clientId } = options;
  const decoder = new PacketDecoder({ receiver: "client", protocolLevel: level });
  return new Promise((resolve, reject) => {
    const socket = connect({ host: "localhost", port, ...tls });
    const end = (answer: string): void => {
      socket.removeAllListeners();
      socket.on("error", () => {}); // The matter is decided.
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(TIMEOUT_MS, () => {
      socket.destroy();
      reject(new Error(`the gateway said nothing within ${TIMEOUT_MS} ms`));
    });
    socket.once("error", ({ code = "failure" }: NodeJS.ErrnoException) => {
      end(code === "ECONNRESET" || code === "EPIPE" ? CLOSED : `TLS ${code}`);
    });
    socket.once("close", () => end(CLOSED));
    socket.once("secureConnect", () => {
      const hello = encodeConnect({
        protocolLevel: level,
        clientId,
        cleanStart: true,
        keepAliveSeconds: 10,
      });
      const first = options.insteadOfConnect ?? hello;
      // What the gateway never reads would reset the connection, and its last word with it.
      if (first.byteLength > 0) socket.write(first);
    });
    socket.on("data", (chunk: Buffer) => {
      decoder.push(chunk);
      for (let packet = decoder.next(); packet !== null; packet = decoder.next()) {
        const answer = answerOf(packet);
        const isAccepted = answer === "CONNACK 0x00 Success";
        if (!isAccepted) return end(answer);
        if (options.afterwards !== undefined) socket.write(options.afterwards);
      }
    });
  });
}

function answerOf(packet: Packet | MalformedPacket): string {
  switch (packet.type) {
    case PacketType.Connack:
      return `CONNACK ${codeText(packet.reasonCode)}`;
    case PacketType.Puback:
      return `PUBACK ${codeText(packet.reasonCode)}`;
    case PacketType.Suback:
      return `SUBACK ${packet.reasonCodes.map(codeText).join(", ")}`;
    case PacketType.Disconnect:
      return `DISCONNECT ${codeText(packet.reasonCode)}`;
    case MALFORMED:
      return `malformed answer: ${packet.message}`;
    default:
      return `packet of type ${packet.type}`;
  }
}

function codeText(code: number): string {
  return `0x${code.toString(16).padStart(2, "0")} ${reasonCodeName(code)}`;
}
