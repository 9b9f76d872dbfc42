// SPDX-License-Identifier: Apache-2.0
/**
 * How a certificate of Muster is judged, the same at every edge (center, gateway, device): issued
 * by the one pinned CA directly (there are no intermediates), for the purpose at hand, within its
 * dates by the judge's own working time, and for whom: its one SAN URI.
 *
 * Issuer first, dates after: TLS libraries report a date error even where the CA is wrong, so a
 * date error must never be what decides that a certificate is otherwise good.
 */
import { X509Certificate } from "node:crypto";
import { parsePeerUri } from "../../domain/identity.ts";
import type { PeerIdentity } from "../../domain/identity.ts";
import { MusterError } from "../../domain/errors.ts";

/** SAN URI of the center's own certificate. */
export const CENTER_URI = "muster-center://center";

/** Who a certificate speaks for; the center has no name of its own. */
export type CertificateIdentity = PeerIdentity | { readonly role: "center" };

/** Extended key usages (RFC 5280 §4.2.1.12). */
const USAGE_OIDS = { server: "1.3.6.1.5.5.7.3.1", client: "1.3.6.1.5.5.7.3.2" } as const;

/** Reads a PEM or DER certificate; throws `invalid_argument` that names `what`. */
export function readCertificate(bytes: string | Uint8Array, what: string): X509Certificate {
  try {
    return new X509Certificate(bytes);
  } catch (cause) {
    throw new MusterError({
      code: "invalid_argument",
      message: `${what} is not an X.509 certificate`,
      cause,
    });
  }
}

/**
 * The identity of a certificate: its only SAN URI; null when it has none, two, or a strange one.
 */
export function certificateIdentity(certificate: X509Certificate): CertificateIdentity | null {
  // Node quotes a name that holds a comma or a quote, so a quoted one is never a URI of ours.
  const names = (certificate.subjectAltName ?? "").split(", ");
  const uris = names.filter((name) => name.startsWith("URI:"));
  if (uris.length !== 1 || uris[0] === undefined) return null;
  const uri = uris[0].slice("URI:".length);
  return uri === CENTER_URI ? { role: "center" } : parsePeerUri(uri);
}

/**
 * What is wrong with a certificate, as the end of a sentence ("the certificate of the gateway …"),
 * or null when nothing is. `nowMs` is the judge's working time.
 */
export function certificateProblem(options: {
  certificate: X509Certificate;
  authority: X509Certificate;
  usage: "server" | "client";
  nowMs: number;
}): string | null {
  const issue = issuanceProblem(options);
  if (issue !== null) return issue;
  const { notBeforeMs, notAfterMs } = certificateDates(options.certificate);
  const now = `working time is ${isoTime(options.nowMs)}`;
  if (options.nowMs < notBeforeMs) return `is not valid before ${isoTime(notBeforeMs)}; ${now}`;
  if (options.nowMs > notAfterMs) return `ended at ${isoTime(notAfterMs)}; ${now}`;
  return null;
}

/** The part of `certificateProblem` that no clock decides: issuer and purpose. */
export function issuanceProblem(options: {
  certificate: X509Certificate;
  authority: X509Certificate;
  usage: "server" | "client";
}): string | null {
  const { certificate, authority, usage } = options;
  // checkIssued compares names and key ids; verify the signature itself. Both, or neither counts.
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey)) {
    return "was not issued by this installation's certificate authority";
  }
  if (certificate.ca) return "is a certificate authority's own";
  if (!(certificate.keyUsage ?? []).includes(USAGE_OIDS[usage])) {
    return `is not for use as a ${usage}`;
  }
  return null;
}

/** First and last moment of validity, milliseconds since 1970. */
export function certificateDates(certificate: X509Certificate): {
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
} {
  return {
    notBeforeMs: certificate.validFromDate.getTime(),
    notAfterMs: certificate.validToDate.getTime(),
  };
}

/** `2026-11-22T15:00:00Z` for a person; years that no calendar has print as the number. */
export function isoTime(atMs: number): string {
  const date = new Date(atMs);
  return Number.isNaN(date.getTime()) ? String(atMs) : `${date.toISOString().slice(0, 19)}Z`;
}
