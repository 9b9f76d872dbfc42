// SPDX-License-Identifier: Apache-2.0
/**
 * Reads one thing out of the first bytes of a TLS connection: the application protocols that the
 * client offers (RFC 7301). Everything else is TLS's own affair, and so is a ClientHello that is
 * none: whoever finds nothing here hands the bytes to TLS, which says what is wrong.
 */

/** RFC 8446 §5.1, §4. */
const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const RECORD_HEADER_BYTES = 5;
const RECORD_BYTES_MAX = 16_384;
/** Type, length, version and random, before the first field of variable length. */
const FIXED_BYTES = 1 + 3 + 2 + 32;
/** RFC 7301 §3.1. */
const ALPN_EXTENSION = 16;

const NONE: readonly string[] = [];

/**
 * The protocols, most wanted first; `"more"`: the first record is not whole yet. At most 16,389
 * bytes are asked for. A ClientHello that goes on in a second record counts as one that offers
 * nothing: none that we know does, and TLS takes it all the same.
 */
export function offeredProtocols(head: Buffer): readonly string[] | "more" {
  if (head.length > 0 && head[0] !== HANDSHAKE) return NONE;
  if (head.length < RECORD_HEADER_BYTES) return "more";
  const recordBytes = head.readUInt16BE(3);
  if (recordBytes > RECORD_BYTES_MAX) return NONE;
  if (head.length < RECORD_HEADER_BYTES + recordBytes) return "more";
  const record = head.subarray(RECORD_HEADER_BYTES, RECORD_HEADER_BYTES + recordBytes);
  if (record.length < FIXED_BYTES || record[0] !== CLIENT_HELLO) return NONE;
  try {
    return protocolsOf(new Fields(record.subarray(FIXED_BYTES)));
  } catch (error) {
    if (error instanceof RangeError) return NONE;
    throw error;
  }
}

function protocolsOf(hello: Fields): readonly string[] {
  hello.vector(1); // Session id.
  hello.vector(2); // Cipher suites.
  hello.vector(1); // Compression methods.
  const extensions = new Fields(hello.vector(2));
  while (!extensions.isEmpty) {
    const type = extensions.number(2);
    const content = extensions.vector(2);
    if (type === ALPN_EXTENSION) return namesOf(new Fields(new Fields(content).vector(2)));
  }
  return NONE;
}

function namesOf(list: Fields): readonly string[] {
  const names: string[] = [];
  while (!list.isEmpty) names.push(list.vector(1).toString("latin1"));
  return names;
}

/** What is left to read. Its methods throw RangeError at the end of the bytes. */
class Fields {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.#at === this.#bytes.length;
  }

  number(byteCount: 1 | 2): number {
    const value = this.#bytes.readUIntBE(this.#at, byteCount);
    this.#at += byteCount;
    return value;
  }

  /** Bytes behind their length, which takes `lengthBytes`. */
  vector(lengthBytes: 1 | 2): Buffer {
    const end = this.number(lengthBytes) + this.#at;
    if (end > this.#bytes.length) throw new RangeError("a vector ends behind its message");
    const content = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return content;
  }
}
