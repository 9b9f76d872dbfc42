// SPDX-License-Identifier: Apache-2.0
/**
 * Reads what a device sends as its certificate request (PKCS#10, RFC 2986) and keeps the one thing
 * that counts: the public key, proven to be the sender's by the request's own signature. Subject
 * and wished-for extensions are ignored: the identity comes from the token or the old certificate.
 */
import { createPublicKey, hash } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { MusterError } from "../../domain/errors.ts";
import { x509Library } from "../../protocol/trust/x509-library.ts";

/** A request whose signature verified and whose key is of a kind that we certify. */
export interface CertificateRequest {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyDer: Buffer;
  /** SHA-256 (hex) of `publicKeyDer`. */
  readonly publicKeySha256: string;
}

/** Weakest and largest RSA key: below it is breakable, above it a verification costs too much. */
const MIN_RSA_BITS = 2_048;
const MAX_RSA_BITS = 8_192;

const EC_CURVES: ReadonlySet<string> = new Set(["prime256v1", "secp384r1"]);

/** ASN.1 tag of a SEQUENCE: how every DER request begins, and no base64 text does. */
const DER_SEQUENCE = 0x30;

/**
 * Accepts base64 (RFC 7030 §4.2.1), PEM and DER. Throws `invalid_argument` saying what is wrong:
 * not a request, a signature that does not verify, a key of another kind or size.
 */
export async function readCertificateRequest(body: Uint8Array): Promise<CertificateRequest> {
  const { Pkcs10CertificateRequest } = x509Library();
  let publicKeyDer: Buffer;
  let verified: boolean;
  try {
    const request = new Pkcs10CertificateRequest(requestDer(body));
    publicKeyDer = Buffer.from(request.publicKey.rawData);
    verified = await request.verify();
  } catch (cause) {
    throw badRequest("it is not a PKCS#10 request that can be read", cause);
  }
  if (!verified) throw badRequest("its signature does not verify with the key inside it");
  checkKey(publicKeyDer);
  return { publicKeyDer, publicKeySha256: hash("sha256", publicKeyDer, "hex") };
}

function requestDer(body: Uint8Array): Buffer {
  if (body[0] === DER_SEQUENCE && body[1] !== undefined && body[1] >= 0x80) {
    return Buffer.from(body);
  }
  const text = Buffer.from(body).toString("latin1");
  const armoured = /-----BEGIN (?:NEW )?CERTIFICATE REQUEST-----([^-]+)-----END/.exec(text);
  return Buffer.from((armoured?.[1] ?? text).replaceAll(/\s/g, ""), "base64");
}

function checkKey(publicKeyDer: Buffer): void {
  let key: KeyObject;
  try {
    key = createPublicKey({ key: publicKeyDer, format: "der", type: "spki" });
  } catch (cause) {
    throw badRequest("its public key cannot be read", cause);
  }
  const { namedCurve = "", modulusLength = 0 } = key.asymmetricKeyDetails ?? {};
  const type = key.asymmetricKeyType;
  if (type === "ed25519") return;
  if (type === "ec" && EC_CURVES.has(namedCurve)) return;
  if (type === "rsa" && modulusLength >= MIN_RSA_BITS && modulusLength <= MAX_RSA_BITS) return;
  const size = type === "rsa" ? `${modulusLength} bits` : namedCurve;
  throw badRequest(`its key is ${type ?? "unknown"} ${size}`.trimEnd());
}

function badRequest(problem: string, cause?: unknown): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `the certificate request was refused: ${problem}`,
    detail: { hint: "send a PKCS#10 request for a P-256, P-384, Ed25519 or RSA ≥ 2048 bit key" },
    cause,
  });
}
