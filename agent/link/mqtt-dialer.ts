// SPDX-License-Identifier: Apache-2.0
/**
 * Connections over MQTT 5 and mutual TLS. The session is clean: what must not be lost is kept by
 * the two ends themselves (the outbox here, leases there), not by MQTT.
 */
import type { Duplex } from "node:stream";
import { MusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import { DOWN_CHANNELS, downTopic, topicPrefix, upTopic } from "../../protocol/device/topics.ts";
import type { DownChannel } from "../../protocol/device/topics.ts";
import { MqttClientSession } from "../../protocol/mqtt/client.ts";
import type { CloseReason, PublishOutcome } from "../../protocol/mqtt/client-outcomes.ts";
import type { Publish } from "../../protocol/mqtt/packets.ts";
import { ReasonCode, reasonCodeName } from "../../protocol/mqtt/reason-codes.ts";
import type { Connection, Dialer, Dialled, DownHandler, SendResult } from "./connection.ts";
import { gatewayName } from "./gateway-address.ts";
import type { GatewayAddress } from "./gateway-address.ts";

/** From a code of 0x80 on, a packet was refused (MQTT 5.0 §2.4). */
const FIRST_FAILURE_CODE = 0x80;
/** Refusals of this very message, whenever it comes again. */
const FINAL_CODES: ReadonlySet<number> = new Set([
  ReasonCode.PayloadFormatInvalid,
  ReasonCode.TopicNameInvalid,
  ReasonCode.PacketTooLarge,
]);

/** An open, verified TLS stream to a gateway's port; one port may serve both protocols. */
export type StreamDialer = (options: {
  host: string;
  port: number;
  protocol: "mqtt" | "http/1.1";
  signal: AbortSignal;
}) => Promise<Duplex>;

export function mqttDialer(options: {
  clock: Clock;
  tenant: string;
  device: string;
  keepAliveMs: number;
  openStream: StreamDialer;
}): Dialer {
  const { clock, tenant, device, openStream } = options;
  const channels = new Map(
    DOWN_CHANNELS.map((channel) => [downTopic(tenant, device, channel), channel]),
  );
  return {
    dial: async ({ gateway, onMessage, signal }) => {
      const transport = await openStream({
        host: gateway.host,
        port: gateway.mqttsPort,
        protocol: "mqtt",
        signal,
      });
      const session = new MqttClientSession({
        transport,
        clock,
        protocolLevel: 5,
        onPublish: (message) => deliver(channels, onMessage, message),
      });
      const outcome = await session.connect(
        {
          clientId: device,
          cleanStart: true,
          keepAliveSeconds: Math.max(1, Math.ceil(options.keepAliveMs / 1_000)),
          will: undefined,
          username: undefined,
          password: undefined,
        },
        signal,
      );
      if (outcome.kind === "closed") return redirection(gateway, outcome.reason);
      await subscribe(session, {
        gateway,
        filter: `${topicPrefix(tenant, device)}/down/+`,
        signal,
      });
      const seconds = outcome.connack.properties?.serverKeepAliveSeconds;
      const facts = { tenant, device, serverKeepAliveSeconds: seconds };
      return { kind: "connected", connection: connectionOver(session, facts) };
    },
  };
}

async function deliver(
  channels: ReadonlyMap<string, DownChannel>,
  onMessage: DownHandler,
  message: Publish,
): Promise<void> {
  const channel = channels.get(message.topic);
  // A gateway of a later version may use channels that this agent does not know.
  if (channel === undefined) return;
  // The payload is a view into the decoder's buffer.
  await onMessage(channel, Uint8Array.from(message.payload));
}

async function subscribe(
  session: MqttClientSession,
  options: { gateway: GatewayAddress; filter: string; signal: AbortSignal },
): Promise<void> {
  const { gateway, filter, signal } = options;
  const granted = await session.subscribe([filter], { qos: 1, signal });
  if (granted.kind === "granted" && (granted.reasonCodes[0] ?? 0x80) < FIRST_FAILURE_CODE) return;
  await session.disconnect();
  const code = granted.kind === "granted" ? granted.reasonCodes[0] : undefined;
  const why = code === undefined ? granted.kind : reasonCodeName(code);
  throw new MusterError({
    code: "permission_denied",
    message: `gateway ${gatewayName(gateway)} did not grant the subscription to ${filter}: ${why}`,
  });
}

function connectionOver(
  session: MqttClientSession,
  options: { tenant: string; device: string; serverKeepAliveSeconds: number | undefined },
): Connection {
  const { tenant, device, serverKeepAliveSeconds } = options;
  return {
    serverKeepAliveMs:
      serverKeepAliveSeconds === undefined || serverKeepAliveSeconds === 0
        ? null
        : serverKeepAliveSeconds * 1_000,
    closed: session.closed.then(describeClose),
    send: async ({ channel, payload, durable }) =>
      sendResult(
        await session.publish(upTopic(tenant, device, channel), payload, { qos: durable ? 1 : 0 }),
      ),
    close: async () => {
      await session.disconnect();
    },
  };
}

function sendResult(outcome: PublishOutcome): SendResult {
  switch (outcome.kind) {
    case "sent":
      return { kind: "taken" };
    case "acknowledged": {
      const { reasonCode, properties } = outcome;
      if (reasonCode < FIRST_FAILURE_CODE) return { kind: "taken" };
      const isFinal = FINAL_CODES.has(reasonCode);
      const reason = properties?.reasonString;
      const why = reasonCodeName(reasonCode) + (reason === undefined ? "" : `: ${reason}`);
      return { kind: "refused", why, isFinal };
    }
    case "too-large":
      return { kind: "refused", why: "larger than the server takes", isFinal: true };
    case "queue-full":
    case "aborted":
    case "closed":
      return { kind: "lost" };
  }
}

/** Throws for every other end. */
function redirection(gateway: GatewayAddress, reason: CloseReason): Dialled {
  const reference = reason.cause === "refused" ? reason.properties?.serverReference : undefined;
  if (reference === undefined) throw closedError(gateway, reason);
  return { kind: "redirected", reference };
}

function closedError(gateway: GatewayAddress, reason: CloseReason): MusterError {
  const isRefused = reason.cause === "refused" && reason.reasonCode === ReasonCode.NotAuthorized;
  return new MusterError({
    code: isRefused ? "permission_denied" : "unavailable",
    message: `gateway ${gatewayName(gateway)} did not take us: ${describeClose(reason)}`,
  });
}

function describeClose(reason: CloseReason): string {
  switch (reason.cause) {
    case "refused":
    case "server-disconnected":
      return `${reason.cause}: ${reasonCodeName(reason.reasonCode)}`;
    case "malformed":
      return `the server broke the protocol: ${reason.packet.message}`;
    case "transport":
      return reason.error === undefined ? "the stream ended" : "the stream failed";
    default:
      return reason.cause;
  }
}
