// SPDX-License-Identifier: Apache-2.0
/**
 * An MQTT listener: TLS 1.3 with client certificates, and sockets handed to connections; or, where
 * the operator asks for an insecure one, bare TCP, on which devices are who they say. The event
 * handlers are shared by all sockets and find their connection on `this`: a closure set per socket
 * costs 45 % more memory after traffic (docs/adr/0009).
 *
 * Over TLS it is also an HTTP server, for MQTT over WebSocket and for artifacts, and passes on what
 * is for the center's enrolment listener, so that a device needs one port. ALPN says which (`mqtt`,
 * `http/1.1`, `muster-enrolment`); of a client without ALPN, its first byte: no CONNECT begins with
 * a letter.
 *
 * Limits before anybody is known: 10 s for the TLS handshake, 10 s for CONNECT or for the headers
 * of a request, 4 KiB for CONNECT, 8 KiB for headers, and as many sockets as there are session
 * slots, over TLS 2,000 more for what is not MQTT.
 */
import type { RequestListener } from "node:http";
import { createServer as createHttpsServer, type Server as HttpsServer } from "node:https";
import { createServer, type Server, type Socket } from "node:net";
import { TLSSocket } from "node:tls";
import type { Clock } from "../../../ports/clock.ts";
import { isDirect, readDirectly } from "../../../runtime/direct-socket.ts";
import type { ConnectionGate } from "../../admission/connection-gate.ts";
import type { GatewayIdentity } from "../../identity.ts";
import { deviceTls } from "../../device-tls.ts";
import {
  DEVICE_CONNECTION,
  ignoreError,
  openDeviceListener,
  peerOf,
  watchHandshakes,
  type DeviceListener,
} from "../device-listener.ts";
import { UNVERIFIED, type ConnectionPeer } from "../connection-peer.ts";
import { MqttConnection } from "./connection.ts";
import { DirectTransport } from "./direct-transport.ts";
import type { EnrolmentTunnel } from "../tls/enrolment-tunnel.ts";
import type { MqttContext } from "./mqtt-context.ts";
import { acceptWebSockets } from "./websocket-listener.ts";

/** How often deadlines of requests are looked at, at most. */
const REQUEST_CHECK_MS = 5_000;
/** Between two requests, and without progress of one. */
const IDLE_TIMEOUT_MS = 60_000;
const HEADER_BYTES_MAX = 8_192;
/** Downloads and enrolments go on where every slot is taken; as many as at the artifact port. */
const OTHERS_MAX = 2_000;
/** Of GET and HEAD. An MQTT client begins with 0x10. */
const FIRST_BYTES_OF_HTTP: readonly (number | undefined)[] = [0x47, 0x48];

type BeginHttp = (socket: TLSSocket) => void;

interface MqttSocket extends Socket {
  musterConnection?: MqttConnection | undefined;
  /** Until the first byte of a client that did not say what it speaks. */
  musterBeginHttp?: BeginHttp | undefined;
}

export interface MqttServerOptions {
  readonly context: MqttContext;
  /** null: an insecure listener. */
  readonly identity: GatewayIdentity | null;
  /** Of all listeners of this process. */
  readonly gate: ConnectionGate;
  /** Answers requests that are not for MQTT. */
  readonly answer: RequestListener;
  /** null: what is for the center's enrolment listener is refused in the handshake. */
  readonly tunnel: EnrolmentTunnel | null;
  readonly clock: Clock;
  /** From the handshake to the headers of a request, ms; CONNECT's is in the context. */
  readonly connectDeadlineMs: number;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly maxConnections: number;
  /** From 1: other workers listen on the same port. */
  readonly worker: number;
}

export async function startMqttServer(options: MqttServerOptions): Promise<DeviceListener> {
  const { context, identity } = options;
  const server =
    identity === null ? insecureServer(context) : secureServer({ ...options, identity });
  const { maxConnections } = options;
  server.maxConnections = identity === null ? maxConnections : maxConnections + OTHERS_MAX;
  if (identity !== null) options.tunnel?.expectOn(server);
  const what = identity === null ? "the insecure MQTT listener" : "the MQTTS listener";
  return await openDeviceListener(server, { ...options, what });
}

function insecureServer(context: MqttContext): Server {
  const server = createServer(DEVICE_CONNECTION);
  server.on("connection", (socket: Socket) => accept(context, socket, UNVERIFIED));
  return server;
}

function secureServer(options: MqttServerOptions & { identity: GatewayIdentity }): Server {
  const { context, identity, clock, connectDeadlineMs } = options;
  const server = createHttpsServer({
    ...deviceTls(identity),
    ...DEVICE_CONNECTION,
    ALPNProtocols: ["mqtt", "http/1.1"],
    maxHeaderSize: HEADER_BYTES_MAX,
    headersTimeout: connectDeadlineMs,
    requestTimeout: connectDeadlineMs,
    connectionsCheckingInterval: Math.min(connectDeadlineMs, REQUEST_CHECK_MS),
  });
  server.setTimeout(IDLE_TIMEOUT_MS);
  const beginHttp = takeHttp(server);
  server.on("secureConnection", (socket: MqttSocket & TLSSocket) => {
    if (socket.alpnProtocol === "http/1.1") return beginHttp(socket);
    if (socket.alpnProtocol === false) socket.musterBeginHttp = beginHttp;
    accept(context, socket, peerOf(socket, clock));
  });
  server.on("request", options.answer);
  acceptWebSockets(server, context, (socket) => peerOf(socket, clock));
  watchHandshakes(server, context);
  return server;
}

/** From now on `server` speaks HTTP on those sockets only that the result is called with. */
function takeHttp(server: HttpsServer): BeginHttp {
  const begins = server.listeners("secureConnection");
  server.removeAllListeners("secureConnection");
  return (socket) => {
    for (const begin of begins) begin.call(server, socket);
    socket.resume();
  };
}

function accept(context: MqttContext, socket: MqttSocket, peer: ConnectionPeer): void {
  const direct = peer === UNVERIFIED && isDirect(socket);
  const transport = direct ? new DirectTransport(socket) : socket;
  const connection = new MqttConnection({ context, transport, peer });
  socket.musterConnection = connection;
  if (socket instanceof TLSSocket) socket.on("error", ignoreError);
  if (!connection.begin()) return;
  if (direct) readDirectly(socket, onData);
  else socket.on("data", socket.musterBeginHttp === undefined ? onData : onFirstData).resume();
  socket.on("timeout", onTimeout);
  socket.on("close", onClose);
}

function onData(this: MqttSocket, chunk: Buffer): void {
  this.musterConnection?.receive(chunk);
}

function onFirstData(this: MqttSocket, chunk: Buffer): void {
  const beginHttp = this.musterBeginHttp;
  this.musterBeginHttp = undefined;
  this.off("data", onFirstData);
  if (beginHttp === undefined || !FIRST_BYTES_OF_HTTP.includes(chunk[0])) {
    this.on("data", onData);
    return onData.call(this, chunk);
  }
  this.musterConnection?.giveUp();
  this.musterConnection = undefined;
  this.off("timeout", onTimeout).off("close", onClose).off("error", ignoreError);
  this.unshift(chunk);
  beginHttp(this as unknown as TLSSocket);
}

function onTimeout(this: MqttSocket): void {
  this.destroy();
}

function onClose(this: MqttSocket): void {
  this.musterConnection?.ended();
}
