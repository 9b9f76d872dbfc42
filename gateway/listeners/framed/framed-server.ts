// SPDX-License-Identifier: Apache-2.0
/**
 * The listener for framed TCP: TLS 1.3 with client certificates, and sockets handed to connections.
 * As in the MQTT listener, the event handlers are shared by all sockets and find their connection
 * on `this`.
 *
 * Limits before anybody is known: 10 s for the TLS handshake, 10 s for the hello, and as many
 * sockets as there are session slots.
 */
import { createServer, type TLSSocket } from "node:tls";
import { deviceTls } from "../../device-tls.ts";
import type { GatewayIdentity } from "../../identity.ts";
import {
  DEVICE_CONNECTION,
  ignoreError,
  openDeviceListener,
  peerOf,
  watchHandshakes,
  type DeviceListener,
  type DeviceListenerOptions,
} from "../device-listener.ts";
import { FramedConnection } from "./framed-connection.ts";
import type { FramedContext } from "./framed-context.ts";

interface FramedSocket extends TLSSocket {
  musterConnection?: FramedConnection;
}

export interface FramedServerOptions extends Omit<DeviceListenerOptions, "what"> {
  readonly context: FramedContext;
  readonly identity: GatewayIdentity;
  readonly maxConnections: number;
}

export async function startFramedServer(options: FramedServerOptions): Promise<DeviceListener> {
  const { context, identity, clock } = options;
  const server = createServer({ ...deviceTls(identity), ...DEVICE_CONNECTION });
  server.maxConnections = options.maxConnections;
  server.on("secureConnection", (socket: FramedSocket) => {
    const peer = peerOf(socket, clock);
    const connection = new FramedConnection({ context, transport: socket, peer });
    socket.on("error", ignoreError).on("timeout", onTimeout);
    // What it has sent is read and forgotten: unread, it would cut our last word off (a TCP reset).
    if (!connection.begin()) return void socket.resume();
    socket.musterConnection = connection;
    socket.on("data", onData).on("close", onClose).resume();
  });
  watchHandshakes(server, context);
  return await openDeviceListener(server, { ...options, what: "the framed TCP listener" });
}

function onData(this: FramedSocket, chunk: Buffer): void {
  this.musterConnection?.receive(chunk);
}

function onTimeout(this: FramedSocket): void {
  this.destroy();
}

function onClose(this: FramedSocket): void {
  this.musterConnection?.ended();
}
