// SPDX-License-Identifier: Apache-2.0
/**
 * An MQTT listener: TLS 1.3 with client certificates, and sockets handed to connections; or, where
 * the operator asks for an insecure one, bare TCP, on which devices are who they say. The event
 * handlers are shared by all sockets and find their connection on `this`: a closure set per socket
 * costs 45 % more memory after traffic (docs/adr/0009).
 *
 * Limits before anybody is known: 10 s for the TLS handshake, 10 s for CONNECT, 4 KiB for CONNECT,
 * and as many sockets as there are session slots.
 */
import { createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import type { Clock } from "../../../ports/clock.ts";
import { isDirect, readDirectly } from "../../../runtime/direct-socket.ts";
import { listen } from "../../../runtime/listen.ts";
import type { GatewayIdentity } from "../../identity.ts";
import { readPeerCertificate } from "../../peer-certificate.ts";
import { deviceTls } from "../../device-tls.ts";
import { UNVERIFIED, type ConnectionPeer } from "./connection-peer.ts";
import { MqttConnection } from "./connection.ts";
import { DirectTransport } from "./direct-transport.ts";
import type { MqttContext } from "./mqtt-context.ts";

/** How long the last DISCONNECT of a shutdown may take to leave, ms. */
const LAST_WORD_MS = 500;

interface MqttSocket extends Socket {
  musterConnection?: MqttConnection;
}

/** A TCP connection, its handshake done or not, and the set in which it is counted. */
interface RawSocket extends Socket {
  musterSockets?: Set<RawSocket>;
}

export interface MqttServerOptions {
  readonly context: MqttContext;
  /** null: an insecure listener. */
  readonly identity: GatewayIdentity | null;
  readonly clock: Clock;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly maxConnections: number;
  /** From 1: other workers listen on the same port. */
  readonly worker: number;
}

export interface MqttServer {
  readonly port: number;
  /** Takes no further connection; the ones there are stay. */
  stopAccepting(): void;
  /** After `stopAccepting`: resolves when every socket is gone, cutting those that stay. */
  close(): Promise<void>;
}

export async function startMqttServer(options: MqttServerOptions): Promise<MqttServer> {
  const { context, clock, identity, host } = options;
  const sockets = new Set<RawSocket>();
  const server =
    identity === null ? insecureServer(context) : secureServer(context, identity, clock);
  server.maxConnections = options.maxConnections;
  context.sources.expectOn(server);
  server.on("connection", (raw: RawSocket) => {
    raw.musterSockets = sockets;
    sockets.add(raw);
    raw.on("close", onRawClose);
  });
  const what = identity === null ? "the insecure MQTT listener" : "the MQTTS listener";
  const port = await listen(server, {
    what,
    host,
    port: options.port,
    reusePort: options.worker > 0,
  });
  const closed = new Promise<void>((resolve) => server.once("close", () => resolve()));
  return {
    port,
    stopAccepting: () => void server.close(),
    close: async () => {
      const cancelTimer = clock.setTimer(LAST_WORD_MS, () => {
        for (const socket of sockets) socket.destroy();
      });
      await closed;
      cancelTimer();
    },
  };
}

/**
 * MQTT's keep-alive finds a dead device sooner, but a device may name none. 300 s is what the host
 * is told for all other connections (`muster doctor`).
 */
const CONNECTION = { noDelay: true, keepAlive: true, keepAliveInitialDelay: 300_000 };

function insecureServer(context: MqttContext): Server {
  const server = createServer(CONNECTION);
  server.on("connection", (socket: Socket) => accept(context, socket, UNVERIFIED));
  return server;
}

function secureServer(context: MqttContext, identity: GatewayIdentity, clock: Clock): Server {
  const server = createTlsServer({ ...deviceTls(identity), ...CONNECTION });
  server.on("secureConnection", (socket: TLSSocket) => {
    const facts = readPeerCertificate(socket.getPeerX509Certificate(), clock.wallMs());
    accept(context, socket, "fault" in facts ? null : facts);
  });
  server.on("tlsClientError", (error: NodeJS.ErrnoException, raw) => {
    context.metrics.tlsFailed(error.code ?? "unknown");
    const address = context.sources.addressOf(raw);
    context.logger.debug("TLS handshake failed", { error, address });
  });
  return server;
}

function accept(context: MqttContext, socket: MqttSocket, peer: ConnectionPeer): void {
  const direct = peer === UNVERIFIED && isDirect(socket);
  const transport = direct ? new DirectTransport(socket) : socket;
  const connection = new MqttConnection({ context, transport, peer });
  socket.musterConnection = connection;
  socket.on("error", onError);
  if (!connection.begin()) return;
  if (direct) readDirectly(socket, onData);
  else socket.on("data", onData);
  socket.on("timeout", onTimeout);
  socket.on("close", onClose);
}

function onData(this: MqttSocket, chunk: Buffer): void {
  this.musterConnection?.receive(chunk);
}

function onTimeout(this: MqttSocket): void {
  this.destroy();
}

function onClose(this: MqttSocket): void {
  this.musterConnection?.ended();
}

function onRawClose(this: RawSocket): void {
  this.musterSockets?.delete(this);
}

/** A reset connection is no event of its own: `close` follows. */
function onError(): void {}
