// SPDX-License-Identifier: Apache-2.0
/**
 * The value of the OSCORE option (RFC 8613 §6.1): which keys, and with which number.
 *
 *     0 0 0 h k n n n │ Partial IV (n bytes) │ s │ kid context (s bytes) │ kid (the rest)
 */

export interface OscoreHeader {
  /** 0–5 bytes; null: there is none. */
  readonly partialIv: Buffer | null;
  /** Sender ID; null: there is none. */
  readonly kid: Buffer | null;
  /** ID Context; null: there is none. */
  readonly kidContext: Buffer | null;
}

const RESERVED_FLAGS = 0b1110_0000;
const KID_CONTEXT_FLAG = 0b0001_0000;
const KID_FLAG = 0b0000_1000;
const PARTIAL_IV_LENGTH = 0b0000_0111;
export const MAX_PARTIAL_IV_BYTES = 5;

/** null: it does not decode (§8.2, step 2). */
export function decodeOscoreOption(value: Buffer): OscoreHeader | null {
  if (value.length === 0) return { partialIv: null, kid: null, kidContext: null };
  const flags = value[0] as number;
  const partialIvBytes = flags & PARTIAL_IV_LENGTH;
  if ((flags & RESERVED_FLAGS) !== 0 || partialIvBytes > MAX_PARTIAL_IV_BYTES) return null;
  // §6.1: without any flag the value is empty.
  if (flags === 0) return null;
  let at = 1 + partialIvBytes;
  const partialIv = partialIvBytes === 0 ? null : value.subarray(1, at);
  let kidContext: Buffer | null = null;
  if ((flags & KID_CONTEXT_FLAG) !== 0) {
    const contextAt = at + 1;
    at = contextAt + (value[at] ?? 0);
    kidContext = value.subarray(contextAt, at);
  }
  if (at > value.length) return null;
  const hasKid = (flags & KID_FLAG) !== 0;
  if (!hasKid && at !== value.length) return null;
  return { partialIv, kid: hasKid ? value.subarray(at) : null, kidContext };
}

export function encodeOscoreOption(header: OscoreHeader): Buffer {
  const { partialIv, kid, kidContext } = header;
  const flags =
    (partialIv?.length ?? 0) |
    (kid === null ? 0 : KID_FLAG) |
    (kidContext === null ? 0 : KID_CONTEXT_FLAG);
  if (flags === 0) return Buffer.alloc(0);
  const parts: Uint8Array[] = [Buffer.of(flags)];
  if (partialIv !== null) parts.push(partialIv);
  if (kidContext !== null) parts.push(Buffer.of(kidContext.length), kidContext);
  if (kid !== null) parts.push(kid);
  return Buffer.concat(parts);
}

/** A sequence number as a Partial IV (§5): without leading zeros, but one byte at least. */
export function encodePartialIv(sequence: number): Buffer {
  let byteCount = 1;
  for (let rest = Math.floor(sequence / 256); rest > 0; rest = Math.floor(rest / 256)) {
    byteCount += 1;
  }
  const bytes = Buffer.allocUnsafe(byteCount);
  bytes.writeUIntBE(sequence, 0, byteCount);
  return bytes;
}

/** Of one to five bytes. */
export function decodePartialIv(bytes: Buffer): number {
  return bytes.readUIntBE(0, bytes.length);
}
