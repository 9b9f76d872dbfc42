// SPDX-License-Identifier: Apache-2.0
/** Whom a connection speaks for, as far as anybody has verified it. */
import { deviceUri, type PeerIdentity } from "../../../domain/identity.ts";
import type { PeerFacts } from "../../peer-certificate.ts";

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

/** For a log; null when it names no device. */
export function peerDevice(peer: ConnectionPeer): string | null {
  const identity = peerIdentity(peer);
  if (identity === null || identity === UNVERIFIED || identity.role !== "device") return null;
  return deviceUri(identity.tenant, identity.device);
}
