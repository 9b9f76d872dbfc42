// SPDX-License-Identifier: Apache-2.0
/**
 * Who a TLS client is, from the certificate that the handshake has verified. A resumed TLS session
 * is not verified again, so the dates are looked at here each time.
 */
import type { X509Certificate } from "node:crypto";
import type { PeerIdentity } from "../domain/identity.ts";
import { certificateDates, certificateIdentity } from "../protocol/trust/certificate-identity.ts";

export interface PeerFacts {
  readonly identity: PeerIdentity;
  /** Lower-case hex. */
  readonly serial: string;
}

/** The reason why a certificate names nobody, as a sentence for a log. */
export interface PeerFault {
  readonly fault: string;
}

export function readPeerCertificate(
  certificate: X509Certificate | undefined,
  wallMs: number,
): PeerFacts | PeerFault {
  if (certificate === undefined) return { fault: "the client showed no certificate" };
  const identity = certificateIdentity(certificate);
  if (identity === null || identity.role === "center") {
    return { fault: "the certificate's SAN URI names neither a device nor a gateway" };
  }
  const { notBeforeMs, notAfterMs } = certificateDates(certificate);
  if (wallMs < notBeforeMs) return { fault: "the certificate is not valid yet" };
  if (wallMs > notAfterMs) return { fault: "the certificate has expired" };
  return { identity, serial: certificate.serialNumber.toLowerCase() };
}
