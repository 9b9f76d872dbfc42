// SPDX-License-Identifier: Apache-2.0
/**
 * The one-time enrolment token and the other things a device reads from the center's enrolment
 * listener (7443, TLS 1.3, server-authenticated), besides EST (RFC 7030) itself:
 *
 * | path | answer |
 * | --- | --- |
 * | `GET /.well-known/est/cacerts` | PKCS#7 certs-only, base64 (RFC 7030 §4.1) |
 * | `POST /.well-known/est/simpleenroll` | PKCS#10 in, PKCS#7 out; HTTP Basic, password = token |
 * | `POST /.well-known/est/simplereenroll` | the same, client certificate instead of a token |
 * | `GET /.well-known/muster/root.json` | the TUF root, version 1 upwards: `?version=N` |
 * | `GET /.well-known/muster/directory` | gateways a device may connect to: `GatewayDirectory` |
 * | `GET /.well-known/muster/time?nonce=…` | `SignedTime` |
 *
 * A token is `muster-enrol.` + base64url(JSON of `EnrolmentTokenClaims`) + `.` + base64url(32
 * random bytes). The center stores the SHA-256 of the whole text. The claims are for the device:
 * they pin the CA and the TUF root. Identity comes from what the center stored, never from the CSR.
 */
import { z } from "zod";

/**
 * Application protocol (ALPN) by which a device says at a gateway's port that it wants the center's
 * enrolment listener. The gateway passes the connection on unopened; the center itself speaks the
 * other protocol that the device offers, `http/1.1`.
 */
export const ENROLMENT_PROTOCOL = "muster-enrolment";

export interface EnrolmentTokenClaims {
  readonly v: 1;
  /** `device` or `gateway`. */
  readonly role: "device" | "gateway";
  /** Tenant of a device, region of a gateway. */
  readonly scope: string;
  /** Device id or gateway id. */
  readonly id: string;
  /** SHA-256 (hex) of the CA certificate's DER. */
  readonly ca: string;
  /** SHA-256 (hex) of the bytes of TUF root version 1 as published. */
  readonly root: string;
  /** Expiry, seconds since 1970. */
  readonly exp: number;
}

export const ENROLMENT_TOKEN_PREFIX = "muster-enrol.";

export const enrolmentTokenClaimsSchema: z.ZodType<EnrolmentTokenClaims> = z.object({
  v: z.literal(1),
  role: z.enum(["device", "gateway"]),
  scope: z.string(),
  id: z.string(),
  ca: z.string().regex(/^[0-9a-f]{64}$/),
  root: z.string().regex(/^[0-9a-f]{64}$/),
  exp: z.int().min(0),
});

/** Reads the claims of a token without verifying the secret; null when it is not a token. */
export function readEnrolmentToken(token: string): EnrolmentTokenClaims | null {
  if (token.length > 2_048 || !token.startsWith(ENROLMENT_TOKEN_PREFIX)) return null;
  const parts = token.slice(ENROLMENT_TOKEN_PREFIX.length).split(".");
  if (parts.length !== 2 || parts[0] === undefined) return null;
  try {
    const json: unknown = JSON.parse(Buffer.from(parts[0], "base64url").toString("utf8"));
    const claims = enrolmentTokenClaimsSchema.safeParse(json);
    return claims.success ? claims.data : null;
  } catch {
    return null; // Not JSON: not a token. The caller says so.
  }
}

export interface DirectoryGateway {
  readonly gateway: string;
  readonly region: string;
  readonly host: string;
  readonly mqttsPort: number;
  readonly artifactsPort: number;
  /** It has as many devices as it wants: it takes more only when no other gateway has room. */
  readonly isFull?: boolean | undefined;
}

export interface GatewayDirectory {
  readonly gateways: readonly DirectoryGateway[];
}

export const gatewayDirectorySchema: z.ZodType<GatewayDirectory> = z.object({
  gateways: z
    .array(
      z.object({
        gateway: z.string(),
        region: z.string(),
        host: z.string().min(1).max(255),
        mqttsPort: z.int().min(1).max(65_535),
        artifactsPort: z.int().min(1).max(65_535),
        isFull: z.boolean().optional(),
      }),
    )
    .max(1_000),
});

/** `payload` is base64 of JSON `{type:"muster.time/v1", nonce, atMs}`, signed by the offer key. */
export interface SignedTime {
  readonly payload: string;
  readonly signature: string;
  readonly keyId: string;
}

export const signedTimeSchema: z.ZodType<SignedTime> = z.object({
  payload: z.string().max(1_024),
  signature: z.string().length(88),
  keyId: z.string().regex(/^[0-9a-f]{64}$/),
});

/** TUF target that announces the online offer keys; signed by the targets role. */
export const OFFER_KEYS_TARGET = "muster/offer-keys.json";

/** Content of that target. More than one while keys rotate. */
export interface OfferKeys {
  readonly schema: "muster.offer-keys/v1";
  /** Base64 of raw 32-byte Ed25519 public keys. */
  readonly keys: readonly string[];
}

export const offerKeysSchema: z.ZodType<OfferKeys> = z.object({
  schema: z.literal("muster.offer-keys/v1"),
  keys: z
    .array(z.string().regex(/^[A-Za-z0-9+/]{43}=$/))
    .min(1)
    .max(8),
});
