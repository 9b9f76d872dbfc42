// SPDX-License-Identifier: Apache-2.0
/**
 * The keys of a security context (RFC 8613 §3.2.1): HKDF with SHA-256 (RFC 5869) from the master
 * secret, for AES-CCM-16-64-128.
 */
import { createHmac } from "node:crypto";

export const KEY_BYTES = 16;
export const NONCE_BYTES = 13;
/** Of AES-CCM-16-64-128 (§3.3): what is left of the nonce beside the Partial IV and a length. */
export const MAX_ID_BYTES = 7;

export interface ContextInput {
  readonly masterSecret: Uint8Array;
  /** Empty: none. */
  readonly masterSalt: Uint8Array;
  readonly senderId: Uint8Array;
  readonly recipientId: Uint8Array;
  /** null: none. */
  readonly idContext: Uint8Array | null;
}

export interface ContextKeys {
  /** With which this side protects. */
  readonly senderKey: Buffer;
  /** With which the other side does. */
  readonly recipientKey: Buffer;
  readonly commonIv: Buffer;
}

export function deriveKeys(input: ContextInput): ContextKeys {
  const { masterSecret, masterSalt, senderId, recipientId, idContext } = input;
  const pseudoRandomKey = hmac(masterSalt, masterSecret);
  const derive = (id: Uint8Array, type: "Key" | "IV", byteCount: number): Buffer =>
    // One block of HKDF's output is enough: its counter is 1 (RFC 5869 §2.3).
    hmac(pseudoRandomKey, info(id, idContext, type, byteCount), Buffer.of(1)).subarray(
      0,
      byteCount,
    );
  return {
    senderKey: derive(senderId, "Key", KEY_BYTES),
    recipientKey: derive(recipientId, "Key", KEY_BYTES),
    commonIv: derive(new Uint8Array(0), "IV", NONCE_BYTES),
  };
}

function hmac(key: Uint8Array, ...parts: readonly Uint8Array[]): Buffer {
  const digest = createHmac("sha256", key);
  for (const part of parts) digest.update(part);
  return digest.digest();
}

/** In CBOR: `[id, id_context or nil, alg_aead = 10, type, L]`. */
function info(
  id: Uint8Array,
  idContext: Uint8Array | null,
  type: "Key" | "IV",
  byteCount: number,
): Buffer {
  return Buffer.concat([
    Buffer.of(0x85),
    byteString(id),
    idContext === null ? Buffer.of(0xf6) : byteString(idContext),
    Buffer.of(0x0a, 0x60 + type.length),
    Buffer.from(type, "latin1"),
    Buffer.of(byteCount),
  ]);
}

/** In CBOR, of at most 255 bytes. */
function byteString(bytes: Uint8Array): Buffer {
  const head = bytes.length < 24 ? Buffer.of(0x40 + bytes.length) : Buffer.of(0x58, bytes.length);
  return Buffer.concat([head, bytes]);
}
