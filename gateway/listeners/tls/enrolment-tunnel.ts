// SPDX-License-Identifier: Apache-2.0
/**
 * The center's enrolment listener on the devices' TLS port. A connection whose ClientHello offers
 * the protocol `muster-enrolment` goes to the center as it is, before TLS: the gateway sees neither
 * token nor certificate request, the device sees the center's certificate, and limits and errors
 * are the center's. All others go on as if nobody had looked.
 *
 * Limits: 10 s for the ClientHello, 10 s to the center, 30 s without a byte, 250 connections.
 */
import { connect, type Server, type Socket } from "node:net";
import type { Clock } from "../../../ports/clock.ts";
import type { Logger } from "../../../ports/logger.ts";
import { ENROLMENT_PROTOCOL } from "../../../protocol/device/enrolment.ts";
import type { GatewayMetrics } from "../../metrics.ts";
import type { ProxiedSources } from "../proxy/proxied-sources.ts";
import { beforeConnection } from "../before-connection.ts";
import { offeredProtocols } from "./client-hello.ts";

/** As for the handshake. */
const HELLO_TIMEOUT_MS = 10_000;
const CONNECT_TIMEOUT_MS = 10_000;
/** The center itself gives a request 20 s. */
const IDLE_TIMEOUT_MS = 30_000;
/** An eighth of what the center's listener takes: no gateway alone can fill it. */
const TUNNELS_MAX = 250;
/** Alert `internal_error`, fatal (RFC 8446 §6): all that can be said before TLS has begun. */
const FATAL_ALERT: Buffer = Buffer.from("15030300020250", "hex");

export interface EnrolmentTunnelOptions {
  /** Of the center's enrolment listener. */
  readonly center: { readonly host: string; readonly port: number };
  readonly sources: ProxiedSources;
  readonly metrics: GatewayMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class EnrolmentTunnel {
  readonly #options: EnrolmentTunnelOptions;
  #openCount = 0;

  constructor(options: EnrolmentTunnelOptions) {
    this.#options = options;
  }

  /** Looks at each connection before `server` does. */
  expectOn(server: Server): void {
    beforeConnection(server, (socket, begin) => this.#readHello(socket, begin));
  }

  #readHello(socket: Socket, begin: () => void): void {
    const cancelTimer = this.#options.clock.setTimer(HELLO_TIMEOUT_MS, () => socket.destroy());
    let head: Buffer = Buffer.alloc(0);
    const onReadable = (): void => {
      const bytes = socket.read() as Buffer | null;
      if (bytes === null) return;
      head = head.length === 0 ? bytes : Buffer.concat([head, bytes]);
      const protocols = offeredProtocols(head);
      if (protocols === "more") return;
      cancelTimer();
      socket.off("readable", onReadable).off("close", cancelTimer).off("error", onError);
      if (protocols.includes(ENROLMENT_PROTOCOL)) return this.#carry(socket, head);
      socket.unshift(head);
      begin();
    };
    socket.on("readable", onReadable).on("close", cancelTimer).on("error", onError);
  }

  #carry(device: Socket, head: Buffer): void {
    const { center, clock, metrics } = this.#options;
    device.on("error", onError);
    if (this.#openCount >= TUNNELS_MAX) return this.#refuse(device, "busy");
    this.#openCount += 1;
    const upstream = connect({ ...center, noDelay: true });
    const cancelTimer = clock.setTimer(CONNECT_TIMEOUT_MS, () => upstream.destroy());
    let isConnected = false;
    upstream.on("error", onError);
    upstream.once("connect", () => {
      isConnected = true;
      cancelTimer();
      metrics.enrolmentCarried("carried");
      upstream.write(head);
      device.pipe(upstream).pipe(device);
    });
    upstream.once("close", () => {
      this.#openCount -= 1;
      cancelTimer();
      if (isConnected) device.destroySoon();
      else this.#refuse(device, "unreachable");
    });
    device.once("close", () => upstream.destroySoon());
    for (const socket of [device, upstream]) {
      socket.setTimeout(IDLE_TIMEOUT_MS, () => socket.destroy());
    }
  }

  #refuse(device: Socket, outcome: "busy" | "unreachable"): void {
    const { center, metrics, logger, sources } = this.#options;
    if (device.destroyed) return;
    metrics.enrolmentCarried(outcome);
    const facts = { outcome, center: `${center.host}:${center.port}` };
    logger.warn("an enrolment did not reach the center", {
      ...facts,
      address: sources.addressOf(device),
    });
    device.end(FATAL_ALERT);
  }
}

/** A connection that breaks is no event of its own: `close` follows. */
function onError(): void {}
