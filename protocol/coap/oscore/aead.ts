// SPDX-License-Identifier: Apache-2.0
/**
 * AES-CCM-16-64-128 over a CoAP message (RFC 8613 §5), and the nonce and additional data that
 * OSCORE gives it. The hot path of a gateway: nonce and additional data are written into scratch
 * memory, which only one call at a time uses.
 */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { MAX_ID_BYTES, NONCE_BYTES } from "./key-derivation.ts";
import { MAX_PARTIAL_IV_BYTES } from "./oscore-option.ts";

export const TAG_BYTES = 8;

const ALGORITHM = "aes-128-ccm";
const OPTIONS = { authTagLength: TAG_BYTES };

/** What is protected, and under which numbers. */
export interface Sealed {
  readonly key: Uint8Array;
  readonly commonIv: Uint8Array;
  /** Of whoever made the Partial IV of the nonce. */
  readonly nonceId: Uint8Array;
  readonly noncePartialIv: Uint8Array;
  /** Of the request: also an answer is bound to it (§7.1). */
  readonly requestKid: Uint8Array;
  readonly requestPartialIv: Uint8Array;
}

/** Ciphertext with its tag. */
export function seal(sealed: Sealed, plaintext: Uint8Array): Buffer {
  const cipher = createCipheriv(ALGORITHM, sealed.key, nonceOf(sealed), OPTIONS);
  cipher.setAAD(additionalData(sealed), { plaintextLength: plaintext.length });
  const ciphertext = cipher.update(plaintext);
  cipher.final();
  return Buffer.concat([ciphertext, cipher.getAuthTag()]);
}

/** null: it was not made with this key for this request, or was changed. */
export function open(sealed: Sealed, ciphertext: Uint8Array): Buffer | null {
  const length = ciphertext.length - TAG_BYTES;
  if (length < 1) return null;
  const decipher = createDecipheriv(ALGORITHM, sealed.key, nonceOf(sealed), OPTIONS);
  decipher.setAuthTag(ciphertext.subarray(length));
  decipher.setAAD(additionalData(sealed), { plaintextLength: length });
  try {
    const plaintext = decipher.update(ciphertext.subarray(0, length));
    decipher.final();
    return plaintext;
  } catch {
    return null; // The only thing that fails here is the tag.
  }
}

const nonce = Buffer.alloc(NONCE_BYTES);
const PARTIAL_IV_AT = NONCE_BYTES - MAX_PARTIAL_IV_BYTES;

/** §5.2: length of the id ‖ id ‖ Partial IV, each padded on the left, XOR the common IV. */
function nonceOf({ commonIv, nonceId, noncePartialIv }: Sealed): Buffer {
  nonce.set(commonIv);
  nonce[0] = (nonce[0] as number) ^ nonceId.length;
  xorInto(nonceId, PARTIAL_IV_AT - nonceId.length);
  xorInto(noncePartialIv, NONCE_BYTES - noncePartialIv.length);
  return nonce;
}

function xorInto(bytes: Uint8Array, at: number): void {
  for (let index = 0; index < bytes.length; index += 1) {
    nonce[at + index] = (nonce[at + index] as number) ^ (bytes[index] as number);
  }
}

/**
 * §5.4, in CBOR: `["Encrypt0", h'', bstr]` of `[1, [10], request_kid, request_piv, h'']`.
 * Everything but the two fields is the same in every message, and each length fits its first byte.
 */
const additional = Buffer.alloc(32 + MAX_ID_BYTES);
const HEAD = Buffer.concat([Buffer.of(0x83, 0x68), Buffer.from("Encrypt0"), Buffer.of(0x40)]);
HEAD.copy(additional);
const ARRAY_AT = HEAD.length + 1;
const ARRAY_HEAD = Buffer.of(0x85, 0x01, 0x81, 0x0a);
ARRAY_HEAD.copy(additional, ARRAY_AT);
const FIELDS_AT = ARRAY_AT + ARRAY_HEAD.length;

function additionalData({ requestKid, requestPartialIv }: Sealed): Buffer {
  let at = writeByteString(requestKid, FIELDS_AT);
  at = writeByteString(requestPartialIv, at);
  additional[at] = 0x40;
  const end = at + 1;
  additional[HEAD.length] = 0x40 + (end - ARRAY_AT);
  return additional.subarray(0, end);
}

function writeByteString(bytes: Uint8Array, at: number): number {
  additional[at] = 0x40 + bytes.length;
  additional.set(bytes, at + 1);
  return at + 1 + bytes.length;
}
