// SPDX-License-Identifier: Apache-2.0
/**
 * How this gateway speaks TLS with devices: client certificates from our CA only. Session tickets
 * stay on: a resumed handshake costs half of a full one, and a storm of reconnecting devices costs
 * mostly handshakes (0.7 against 1.5 ms of a core). Who takes whose tickets: ticket-keys.ts.
 */
import { hash } from "node:crypto";
import type { TlsOptions } from "node:tls";
import { TLS_CIPHERS, TLS_MIN_VERSION } from "../protocol/trust/tls-policy.ts";
import type { GatewayIdentity } from "./identity.ts";

const HANDSHAKE_TIMEOUT_MS = 10_000;
/** A ticket may outlive a revocation: the center refuses the session, whatever TLS says. */
const TICKET_LIFETIME_SECONDS = 3_600;

/** At most, of a session id context (SSL_MAX_SID_CTX_LENGTH). */
const CONTEXT_LENGTH = 32;

export function deviceTls(identity: GatewayIdentity): TlsOptions {
  return {
    key: identity.key,
    cert: identity.certificate,
    ca: identity.authority,
    requestCert: true,
    rejectUnauthorized: true,
    minVersion: TLS_MIN_VERSION,
    ciphers: TLS_CIPHERS,
    honorCipherOrder: true,
    handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
    sessionTimeout: TICKET_LIFETIME_SECONDS,
    // Processes that share ticket keys take each other's tickets only under the same context; and
    // whom another authority has verified is verified anew.
    sessionIdContext: hash("sha256", identity.authority, "hex").slice(0, CONTEXT_LENGTH),
  };
}
