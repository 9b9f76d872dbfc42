// SPDX-License-Identifier: Apache-2.0
/** Whom a connection speaks for, as far as anybody has verified it. */
import { deviceUri, type PeerIdentity } from "../../domain/identity.ts";
import type { PeerFacts } from "../peer-certificate.ts";

/** The peer of an insecure listener: whoever CONNECT names. */
export const UNVERIFIED = "unverified";

/** What TLS has verified; null: the certificate names nobody. */
export type ConnectionPeer = PeerFacts | null | typeof UNVERIFIED;

export function peerIdentity(peer: ConnectionPeer): PeerIdentity | null | typeof UNVERIFIED {
  return peer === UNVERIFIED ? peer : (peer?.identity ?? null);
}

/** "" when there is no certificate. */
export function peerSerial(peer: ConnectionPeer): string {
  return peer === null || peer === UNVERIFIED ? "" : peer.serial;
}

/** A connection, for a log. */
export type ConnectionFacts = { readonly address: string; readonly device?: string };

/** `device`: of the open session, as `tenant/device`; null: there is none, the certificate says. */
export function connectionFacts(
  address: string,
  peer: ConnectionPeer,
  device: string | null,
): ConnectionFacts {
  if (device !== null) return { address, device: `muster://${device}` };
  const identity = peerIdentity(peer);
  if (identity === null || identity === UNVERIFIED || identity.role !== "device")
    return { address };
  return { address, device: deviceUri(identity.tenant, identity.device) };
}
