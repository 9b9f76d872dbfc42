// SPDX-License-Identifier: Apache-2.0
/**
 * Ed25519 keys (RFC 8032) as Muster names them: raw 32-byte public keys on the wire, PKCS#8 PEM for
 * private keys on disk, and the SHA-256 of the raw public key as the id of an offer key.
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, hash } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { MusterError } from "../../domain/errors.ts";

/** Bytes of a raw public key. */
export const ED25519_PUBLIC_KEY_BYTES = 32;

/** A new private key as PKCS#8 PEM. */
export function generateEd25519Pem(): string {
  const { privateKey } = generateKeyPairSync("ed25519");
  return privateKey.export({ format: "pem", type: "pkcs8" });
}

/** Reads a private key; throws `invalid_argument` naming `file` when it is not an Ed25519 one. */
export function readEd25519Pem(pem: string, file: string): KeyObject {
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw notAKey(file, cause);
  }
  if (key.asymmetricKeyType !== "ed25519") throw notAKey(file, undefined);
  return key;
}

/** The raw 32-byte public half of a private or public key. */
export function rawPublicKeyOf(key: KeyObject): Buffer {
  const { x } = (key.type === "private" ? createPublicKey(key) : key).export({ format: "jwk" });
  return Buffer.from(x ?? "", "base64url");
}

/** A key object from a raw public key; throws `invalid_argument` unless it has 32 bytes. */
export function publicKeyFromRaw(raw: Uint8Array): KeyObject {
  if (raw.length !== ED25519_PUBLIC_KEY_BYTES) {
    throw new MusterError({
      code: "invalid_argument",
      message: `an Ed25519 public key has ${ED25519_PUBLIC_KEY_BYTES} bytes, not ${raw.length}`,
    });
  }
  const x = Buffer.from(raw).toString("base64url");
  return createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
}

/** The id under which offers and signed times name their key: SHA-256 (hex) of the raw key. */
export function offerKeyId(raw: Uint8Array): string {
  return hash("sha256", raw, "hex");
}

function notAKey(file: string, cause: unknown): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: "this is not an Ed25519 private key in PKCS#8 PEM",
    detail: { file, hint: "name the key file that `muster center` wrote at its first start" },
    cause,
  });
}
