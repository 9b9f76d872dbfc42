// SPDX-License-Identifier: Apache-2.0
/**
 * Whether a CONNECT becomes a session, and on which terms. Pure: the certificate was verified by
 * TLS and read before.
 *
 * Decided here:
 * - The client id is the device id, or empty (then it is assigned). Username and password are not
 *   looked at: the certificate is the identity.
 * - Only on an insecure listener a device is who it says: the client id is the device id, the
 *   username its tenant (`default` without one).
 * - For how long the session outlives its connection: as the client asks, and at most as long as
 *   the operator lets it. A 3.1.1 client cannot say how long: it gets the most, or nothing.
 * - A will may go where the device may publish, and cannot be retained.
 * - At level 5 the keep alive is at most two thirds of the silence that presence allows, so that a
 *   client which keeps it is never declared silent. A 3.1.1 client must choose it so itself.
 */
import {
  DEFAULT_TENANT,
  DEVICE_ID_PATTERN,
  TENANT_PATTERN,
  type PeerIdentity,
} from "../../../domain/identity.ts";
import { encodeConnack } from "../../../protocol/mqtt/connect-encoder.ts";
import type { ProtocolLevel } from "../../../protocol/mqtt/packet-type.ts";
import type { Connect, ConnackFields } from "../../../protocol/mqtt/packets.ts";
import type { Properties } from "../../../protocol/mqtt/properties.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import type { KeptWill } from "../../sessions/kept-will.ts";
import { deviceKey } from "../../sessions/session-table.ts";
import { MAX_HELD_MESSAGES } from "../../sessions/ack-queue.ts";
import { UNVERIFIED } from "../connection-peer.ts";
import { readWill } from "./will.ts";

/** What every session of a listener gets. */
export interface ConnectTerms {
  /** Longest silence of a session, ms. */
  readonly silenceLimitMs: number;
  /** Largest packet the listener takes, bytes. */
  readonly maxPacketBytes: number;
  /** Longest time that a session is kept without a connection, s; 0: none is. */
  readonly sessionExpiryMaxSeconds: number;
}

export type ConnectDecision =
  | {
      readonly accepted: true;
      readonly connack: ConnackFields;
      readonly tenant: string;
      readonly device: string;
      readonly keepAliveSeconds: number;
      /** How long the session outlives its connection, s. */
      readonly expirySeconds: number;
      readonly will: KeptWill | null;
    }
  | { readonly accepted: false; readonly connack: ConnackFields; readonly fault: string };

/** `peer` null: the certificate names nobody. */
export function decideConnect(
  connect: Connect,
  peer: PeerIdentity | null | typeof UNVERIFIED,
  terms: ConnectTerms,
): ConnectDecision {
  if (peer === UNVERIFIED) return decideUnverified(connect, terms);
  if (peer === null || peer.role !== "device") {
    return refusal(ReasonCode.NotAuthorized, "the certificate does not name a device");
  }
  if (connect.clientId !== "" && connect.clientId !== peer.device) {
    return refusal(
      ReasonCode.ClientIdentifierNotValid,
      "the client id is not the device id of the certificate",
    );
  }
  if (connect.properties?.authenticationMethod !== undefined) {
    const fault = "authentication beyond the certificate is not offered";
    return refusal(ReasonCode.BadAuthenticationMethod, fault);
  }
  if (connect.protocolLevel === 5 && connect.will?.retain === true) {
    // [MQTT-3.2.2-13]: what CONNACK rules out, a will may not ask for.
    return refusal(ReasonCode.RetainNotSupported, "the will wants to be retained");
  }
  const will = readWill(connect, deviceKey(peer.tenant, peer.device));
  if (will === "foreign") {
    return refusal(ReasonCode.NotAuthorized, "the will is for a topic that is not the device's");
  }
  const keepAliveSeconds = keepAlive(connect, terms);
  const expirySeconds = expiry(connect, terms);
  return {
    accepted: true,
    tenant: peer.tenant,
    device: peer.device,
    keepAliveSeconds,
    expirySeconds,
    will,
    connack: {
      sessionPresent: false,
      reasonCode: ReasonCode.Success,
      properties: {
        ...connackProperties(connect, keepAliveSeconds, peer.device, terms),
        ...(expirySeconds === (connect.properties?.sessionExpiryIntervalSeconds ?? 0)
          ? {}
          : { sessionExpiryIntervalSeconds: expirySeconds }),
      },
    },
  };
}

/**
 * The CONNACK to bytes that are no CONNECT. Null: only a client whose level is known (0 = it is
 * not), or that asked for one we do not speak, can be answered; at level 4 only where a return code
 * says what is wrong (v3.1.1 [MQTT-3.1.4-1], [MQTT-3.2.2-6]).
 */
export function malformedAnswer(level: ProtocolLevel | 0, reasonCode: ReasonCode): Buffer | null {
  const { UnsupportedProtocolVersion, ClientIdentifierNotValid } = ReasonCode;
  const isVersion = reasonCode === UnsupportedProtocolVersion;
  if (level === 0 && !isVersion) return null;
  if (level === 4 && !isVersion && reasonCode !== ClientIdentifierNotValid) return null;
  return encodeConnack(level === 0 ? 4 : level, { sessionPresent: false, reasonCode });
}

function decideUnverified(connect: Connect, terms: ConnectTerms): ConnectDecision {
  const { clientId: device, username: tenant = DEFAULT_TENANT } = connect;
  if (!DEVICE_ID_PATTERN.test(device)) {
    return refusal(ReasonCode.ClientIdentifierNotValid, "the client id is no device id");
  }
  if (!TENANT_PATTERN.test(tenant)) {
    return refusal(ReasonCode.BadUserNameOrPassword, "the username is no tenant");
  }
  return decideConnect(connect, { role: "device", tenant, device }, terms);
}

function refusal(reasonCode: ReasonCode, fault: string): ConnectDecision {
  return { accepted: false, fault, connack: { sessionPresent: false, reasonCode } };
}

function keepAlive(connect: Connect, terms: ConnectTerms): number {
  if (connect.protocolLevel === 4) return connect.keepAliveSeconds;
  const mostSeconds = Math.max(1, Math.floor(terms.silenceLimitMs / 1_500));
  if (connect.keepAliveSeconds === 0) return mostSeconds;
  return Math.min(connect.keepAliveSeconds, mostSeconds);
}

function expiry(connect: Connect, terms: ConnectTerms): number {
  const { sessionExpiryMaxSeconds: mostSeconds } = terms;
  if (connect.protocolLevel === 4) return connect.cleanStart ? 0 : mostSeconds;
  return Math.min(connect.properties?.sessionExpiryIntervalSeconds ?? 0, mostSeconds);
}

function connackProperties(
  connect: Connect,
  keepAliveSeconds: number,
  device: string,
  terms: ConnectTerms,
): Properties {
  return {
    receiveMaximum: MAX_HELD_MESSAGES,
    retainAvailable: false,
    maximumPacketSizeBytes: terms.maxPacketBytes,
    subscriptionIdentifiersAvailable: false,
    sharedSubscriptionAvailable: false,
    ...(connect.clientId === "" ? { assignedClientIdentifier: device } : {}),
    ...(keepAliveSeconds === connect.keepAliveSeconds
      ? {}
      : { serverKeepAliveSeconds: keepAliveSeconds }),
  };
}
