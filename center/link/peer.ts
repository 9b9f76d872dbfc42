// SPDX-License-Identifier: Apache-2.0
/** Who is at the other end of a TLS connection, for services that ask for a certificate. */
import type { TLSSocket } from "node:tls";
import { createContextKey, type ContextKey } from "@connectrpc/connect";
import type { PeerIdentity } from "../../domain/identity.ts";
import { certificateIdentity, readCertificate } from "../../protocol/trust/certificate-identity.ts";

/** The verified identity of the peer's certificate; null = none was shown, or it did not verify. */
export const PEER: ContextKey<PeerIdentity | null> = createContextKey<PeerIdentity | null>(null, {
  description: "identity of the peer's certificate",
});

/** Reads the identity; the listener has the installation's CA as its only one. */
export function peerOf(socket: TLSSocket): PeerIdentity | null {
  if (!socket.authorized) return null;
  const { raw } = socket.getPeerCertificate();
  if (raw === undefined) return null;
  const identity = certificateIdentity(readCertificate(raw, "the peer's certificate"));
  return identity === null || identity.role === "center" ? null : identity;
}
