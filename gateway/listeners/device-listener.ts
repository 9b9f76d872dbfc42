// SPDX-License-Identifier: Apache-2.0
/**
 * What all listeners for connections of devices have in common: PROXY headers of load balancers,
 * the gate before the first byte, TLS faults, and an end that cuts who stays.
 */
import type { Server, Socket } from "node:net";
import { Server as TlsServer, type TLSSocket } from "node:tls";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { holdConnections, type HeldStep } from "../../runtime/held-connections.ts";
import { listen } from "../../runtime/listen.ts";
import type { ConnectionGate } from "../admission/connection-gate.ts";
import type { Suspects } from "../admission/suspects.ts";
import type { GatewayMetrics } from "../metrics.ts";
import { readPeerCertificate, type PeerFacts } from "../peer-certificate.ts";
import type { TicketKeysUser } from "../ticket-keys.ts";
import { beforeConnection } from "./before-connection.ts";
import { hostOf, type ProxiedSources } from "./proxy/proxied-sources.ts";

/** How long the last word of a shutdown may take to leave, ms. */
const LAST_WORD_MS = 500;

/**
 * Options of the server. Paused: while a connection waits for its turn, what it sends stays in the
 * kernel. A protocol's own keep alive finds a dead device sooner, but a device may name none; 300 s
 * is what the host is told for all other connections (`muster doctor`).
 */
export const DEVICE_CONNECTION = {
  noDelay: true,
  pauseOnConnect: true,
  keepAlive: true,
  keepAliveInitialDelay: 300_000,
} as const;

/**
 * OpenSSL's errors: bytes that are no TLS, or a certificate that is none of ours. Whoever just
 * closes, as a load balancer does that looks whether somebody is there, has broken nothing.
 */
const BROKEN_TLS = "ERR_SSL_";

/** What a listener needs of the gateway before anybody is known. */
export interface ListenerContext {
  readonly sources: ProxiedSources;
  readonly suspects: Suspects;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
}

export interface DeviceListenerOptions {
  readonly context: ListenerContext;
  /** Of all listeners of this process. */
  readonly gate: ConnectionGate;
  readonly clock: Clock;
  /** As in "cannot open …". */
  readonly what: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** From 1: other workers listen on the same port. */
  readonly worker: number;
}

/** One without TLS has no use for ticket keys. */
export interface DeviceListener extends TicketKeysUser {
  readonly port: number;
  /** Takes no further connection; the ones there are stay. */
  stopAccepting(): void;
  /** After `stopAccepting`: on the same port again. Throws `failed_precondition` if it is taken. */
  acceptAgain(): Promise<void>;
  /** After `stopAccepting`: resolves when every socket is gone, cutting those that stay. */
  close(): Promise<void>;
}

/** A TCP connection, its handshake done or not, and the set in which it is counted. */
interface RawSocket extends Socket {
  musterSockets?: Set<RawSocket>;
}

export async function openDeviceListener(
  server: Server,
  options: DeviceListenerOptions,
): Promise<DeviceListener> {
  const { context, clock, what, host } = options;
  const sockets = new Set<RawSocket>();
  context.sources.expectOn(server);
  admitBy(options.gate, context, server);
  server.on("connection", (raw: RawSocket) => {
    raw.musterSockets = sockets;
    sockets.add(raw);
    raw.on("close", onRawClose);
    raw.on("error", ignoreError);
  });
  const where = { what, host, reusePort: options.worker > 0 };
  const port = await listen(server, { ...where, port: options.port });
  return {
    port,
    useTicketKeys: (keys) => {
      if (server instanceof TlsServer) server.setTicketKeys(Buffer.from(keys));
    },
    stopAccepting: () => void server.close(),
    acceptAgain: async () => void (await listen(server, { ...where, port })),
    close: async () => {
      const cancelTimer = clock.setTimer(LAST_WORD_MS, () => {
        for (const socket of sockets) socket.destroy();
      });
      if (sockets.size > 0) await new Promise((resolve) => server.once("close", resolve));
      cancelTimer();
    },
  };
}

/** Counts handshakes that fail, and remembers from where protocol and trust are broken. */
export function watchHandshakes(server: Server, context: ListenerContext): void {
  server.on("tlsClientError", (error: NodeJS.ErrnoException, raw: TLSSocket) => {
    context.metrics.tlsFailed(error.code ?? "unknown");
    const address = context.sources.addressOf(raw);
    if (error.code?.startsWith(BROKEN_TLS) === true) context.suspects.fault(hostOf(address));
    context.logger.debug("TLS handshake failed", { error, address });
  });
}

/** Whom the certificate names; null: nobody. */
export function peerOf(socket: TLSSocket, clock: Clock): PeerFacts | null {
  const facts = readPeerCertificate(socket.getPeerX509Certificate(), clock.wallMs());
  return "fault" in facts ? null : facts;
}

/** A reset connection is no event of its own: `close` follows. */
export function ignoreError(): void {}

function admitBy(gate: ConnectionGate, context: ListenerContext, server: Server): void {
  const { sources, suspects } = context;
  const enter: HeldStep = (from, begin, close) =>
    gate.enter({
      isSuspect: !sources.isBalancer(from) && suspects.has(from.remoteAddress ?? ""),
      begin,
      refuse: () => {
        context.metrics.connectionRefused("busy");
        close();
      },
    });
  if (holdConnections(server, enter)) return;
  beforeConnection(server, (socket, begin) => {
    const beginOpen = (): void => {
      if (!socket.destroyed) begin();
    };
    enter(socket, beginOpen, () => socket.destroy());
  });
}

function onRawClose(this: RawSocket): void {
  this.musterSockets?.delete(this);
}
