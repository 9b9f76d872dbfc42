// SPDX-License-Identifier: Apache-2.0
/** From a device's certificate to a subscribed MQTT 5 session at a gateway. */
import type { TLSSocket } from "node:tls";
import { MusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import { topicPrefix } from "../../protocol/device/topics.ts";
import { MqttClientSession } from "../../protocol/mqtt/client.ts";
import { ReasonCode, reasonCodeName } from "../../protocol/mqtt/reason-codes.ts";
import { gatewayName } from "../../agent/link/gateway-address.ts";
import type { GatewayAddress } from "../../agent/link/gateway-address.ts";
import { connectTls } from "../../agent/trust/peer.ts";
import type { PeerSession } from "../../agent/trust/peer.ts";
import type { SwarmIdentity } from "./identity-book.ts";
import type { SwarmContext } from "./swarm-context.ts";

/** From a code of 0x80 on, a packet was refused (MQTT 5.0 §2.4). */
export const FIRST_FAILURE_CODE = 0x80;
/** Refusals of this very message, whenever it comes again. */
export const FINAL_REFUSALS: ReadonlySet<number> = new Set([
  ReasonCode.PayloadFormatInvalid,
  ReasonCode.TopicNameInvalid,
  ReasonCode.PacketTooLarge,
]);

/** As our agent. */
const CONNECT_TIMEOUT_MS = 25_000;
/** A server calls a device offline after three missed heartbeats. */
const HEARTBEATS_A_KEEP_ALIVE = 3;

export interface DialledGateway {
  /** What the server demands instead of the keep alive asked for; null = nothing. */
  readonly serverKeepAliveMs: number | null;
}

export interface DialOptions {
  readonly context: SwarmContext;
  readonly gateway: GatewayAddress;
  readonly identity: SwarmIdentity;
  /** A TLS session with this gateway, to resume; null = a full handshake. */
  readonly resumed: PeerSession | null;
  /** Called when the peer is verified, before its first byte: tickets come right behind. */
  readonly onStream: (transport: TLSSocket) => void;
  readonly sessionClock: Pick<Clock, "setTimer">;
  /** Called before anything can be received. */
  readonly onSession: (session: MqttClientSession) => void;
  readonly signal: AbortSignal;
}

/** Throws `unavailable`, `permission_denied`, `untrusted`, `deadline_exceeded`, `cancelled`. */
export async function dialGateway(options: DialOptions): Promise<DialledGateway> {
  const { context, gateway, identity, signal } = options;
  const transport = await openStream(options);
  options.onStream(transport);
  const session = new MqttClientSession({
    transport,
    clock: options.sessionClock,
    protocolLevel: 5,
    onPublish: context.onPublish,
  });
  options.onSession(session);
  const keepAliveMs = context.heartbeatIntervalMs * HEARTBEATS_A_KEEP_ALIVE;
  const outcome = await session.connect(
    {
      clientId: identity.id,
      cleanStart: true,
      keepAliveSeconds: Math.max(1, Math.ceil(keepAliveMs / 1_000)),
      will: undefined,
      username: undefined,
      password: undefined,
    },
    signal,
  );
  if (outcome.kind === "closed") throw refusal(gateway, "the connection", outcome.reason.cause);
  const filter = `${topicPrefix(context.tenant, identity.id)}/down/+`;
  const granted = await session.subscribe([filter], { qos: 1, signal });
  const code = granted.kind === "granted" ? (granted.reasonCodes[0] ?? FIRST_FAILURE_CODE) : null;
  if (code === null || code >= FIRST_FAILURE_CODE) {
    await session.disconnect();
    const why = code === null ? granted.kind : reasonCodeName(code);
    throw refusal(gateway, "the subscription", why);
  }
  const serverKeepAliveSeconds = outcome.connack.properties?.serverKeepAliveSeconds ?? 0;
  return {
    serverKeepAliveMs: serverKeepAliveSeconds === 0 ? null : serverKeepAliveSeconds * 1_000,
  };
}

function openStream(options: DialOptions): Promise<TLSSocket> {
  const { context, gateway, identity, resumed, signal } = options;
  const { certPem, keyPem } = identity;
  return connectTls({
    host: gateway.host,
    port: gateway.mqttsPort,
    certPem,
    keyPem,
    caPem: context.caPem,
    expect: "gateway",
    workingTimeMs: context.workingTime.nowMs(),
    what: "the gateway",
    timeoutMs: CONNECT_TIMEOUT_MS,
    ...(resumed === null ? {} : { session: resumed }),
    signal,
  });
}

function refusal(gateway: GatewayAddress, what: string, why: string): MusterError {
  return new MusterError({
    code: "unavailable",
    message: `gateway ${gatewayName(gateway)} did not take ${what}: ${why}`,
  });
}
