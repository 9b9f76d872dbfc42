// SPDX-License-Identifier: Apache-2.0
/**
 * MQTT over WebSocket (MQTT 5.0 §6): `GET /mqtt` with the subprotocol `mqtt` on the devices' TLS
 * port becomes a connection like any other. Handlers are shared by all, and find their connection
 * on `this`, as those of the MQTT listener do.
 *
 * Limits: 64 KiB a message, 1,024 fragments of one, 60 pongs that nobody reads (the library's
 * own limit); no compression: a deflate context costs a connection more than all else.
 */
import type { IncomingMessage, Server } from "node:http";
import type { Duplex } from "node:stream";
import type { TLSSocket } from "node:tls";
import { WebSocketServer, type RawData, type WebSocket } from "ws";
import type { ConnectionPeer } from "../connection-peer.ts";
import { MqttConnection } from "./connection.ts";
import type { MqttContext } from "./mqtt-context.ts";
import { WebSocketTransport } from "./websocket-transport.ts";

export const WEB_SOCKET_PATH = "/mqtt";
const SUBPROTOCOL = "mqtt";
/** A message may hold many packets, and each is bounded by itself. */
const FRAGMENTS_MAX = 1_024;
/** RFC 6455 §7.4.1: a kind of data that the endpoint does not take. */
const UNSUPPORTED_DATA = 1_003;

interface MqttWebSocket extends WebSocket {
  musterConnection?: MqttConnection;
}

/** Takes the upgrades of `server`. `peerOf`: whom TLS has verified. */
export function acceptWebSockets(
  server: Server,
  context: MqttContext,
  peerOf: (socket: TLSSocket) => ConnectionPeer,
): void {
  const webSockets = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    // No message is larger than the largest packet; whoever joins packets sends more messages.
    maxPayload: context.limits.maxPacketBytes,
    maxFragments: FRAGMENTS_MAX,
    handleProtocols: () => SUBPROTOCOL,
  });
  server.on("upgrade", (request: IncomingMessage, duplex: Duplex, head: Buffer) => {
    const socket = duplex as TLSSocket;
    const fault = faultOf(request);
    if (fault !== null) return refuse(socket, fault);
    webSockets.handleUpgrade(request, socket, head, (webSocket) => {
      accept(context, webSocket, socket, peerOf(socket));
    });
  });
}

interface Fault {
  readonly status: string;
  readonly sentence: string;
}

function faultOf({ url = "/", headers }: IncomingMessage): Fault | null {
  if (url.split("?")[0] !== WEB_SOCKET_PATH) {
    return { status: "404 Not Found", sentence: `MQTT over WebSocket is at ${WEB_SOCKET_PATH}` };
  }
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",");
  if (offered.some((name) => name.trim() === SUBPROTOCOL)) return null;
  // [MQTT-6.0.0-3]
  return { status: "400 Bad Request", sentence: "offer the WebSocket subprotocol mqtt" };
}

function refuse(socket: TLSSocket, { status, sentence }: Fault): void {
  socket.on("error", onError);
  const body = `${sentence}\n`;
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: text/plain; charset=utf-8\r\n` +
      `content-length: ${body.length}\r\n\r\n${body}`,
  );
}

function accept(
  context: MqttContext,
  webSocket: MqttWebSocket,
  socket: TLSSocket,
  peer: ConnectionPeer,
): void {
  const transport = new WebSocketTransport(webSocket, socket);
  const connection = new MqttConnection({ context, transport, peer });
  webSocket.musterConnection = connection;
  webSocket.on("error", onWebSocketError);
  if (!connection.begin()) return;
  webSocket.on("message", onMessage);
  webSocket.on("close", onClose);
  socket.on("timeout", onTimeout);
}

function onMessage(this: MqttWebSocket, data: RawData, isBinary: boolean): void {
  // [MQTT-6.0.0-1]
  if (isBinary) return this.musterConnection?.receive(data as Buffer);
  this.close(UNSUPPORTED_DATA, "MQTT is sent in binary frames");
  this.musterConnection?.ended();
}

function onTimeout(this: TLSSocket): void {
  this.destroy();
}

function onClose(this: MqttWebSocket): void {
  this.musterConnection?.ended();
}

/** A frame that breaks RFC 6455 or is too large: the peer is told, and has 5 s to close. */
function onWebSocketError(this: MqttWebSocket): void {
  this.musterConnection?.ended();
}

/** A reset connection is no event of its own: `close` follows. */
function onError(): void {}
