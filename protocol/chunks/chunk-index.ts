// SPDX-License-Identifier: Apache-2.0
/**
 * casync's index of a blob (`.caibx`): which chunks, in order, make the blob up. All numbers are
 * 64 bit little-endian:
 *
 * ```
 *  0  48, 0x96824d9c7b129ff9, feature flags, least, average and largest chunk      (index header)
 * 48  2⁶⁴ − 1, 0xe75b9e112f17417d                                                  (table header)
 * 64  a chunk each: the offset behind its last byte, its id                            (40 bytes)
 *     0, 0, 48, bytes of the table from 48 on, 0x4b4f050e5549ecd1                   (table's tail)
 * ```
 *
 * Devices read it after they have checked its digest against the operator's signature; the parser
 * trusts nothing all the same. Limits: 1,048,576 chunks, each at most 1 MiB. In memory an index is
 * the file's own bytes and, once something is looked up, four bytes a chunk.
 */
import { MusterError } from "../../domain/errors.ts";
import { CHUNK_ID_BYTES } from "./chunk.ts";
import { MAX_CHUNK_BYTES, type ChunkSizes } from "./chunk-sizes.ts";

const INDEX_TYPE = 0x96824d9c7b129ff9n;
const TABLE_TYPE = 0xe75b9e112f17417dn;
const TAIL_MARKER = 0x4b4f050e5549ecd1n;
const ENDLESS = 0xffffffffffffffffn;
/** Ids are SHA-512/256. */
const FLAG_SHA512_256 = 0x2000000000000000n;
/** What casync sets besides when it makes an index of a file; they say nothing about a blob. */
const FLAGS_OF_CASYNC = 0xb000000000000000n;

const INDEX_HEADER_BYTES = 48;
const TABLE_START = 64;
const ITEM_BYTES = 8 + CHUNK_ID_BYTES;
const TAIL_BYTES = 40;

export const MAX_CHUNK_COUNT = 1_048_576;
export const MAX_CHUNK_INDEX_BYTES: number =
  TABLE_START + MAX_CHUNK_COUNT * ITEM_BYTES + TAIL_BYTES;

export interface ChunkFacts {
  /** Lower-case hex. */
  readonly id: string;
  readonly lengthBytes: number;
}

export class ChunkIndex {
  readonly sizes: ChunkSizes;
  readonly count: number;
  /** Of the blob. */
  readonly totalBytes: number;
  /** The file, as it is. */
  readonly bytes: Buffer;
  /** Positions in the order of their ids; made when something is looked up first. */
  #byId: Uint32Array | null = null;

  private constructor(bytes: Buffer, sizes: ChunkSizes, count: number) {
    this.bytes = bytes;
    this.sizes = sizes;
    this.count = count;
    this.totalBytes = count === 0 ? 0 : this.end(count - 1);
  }

  /** Throws `corrupt` saying what is wrong, and where. */
  static parse(data: Uint8Array): ChunkIndex {
    const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
    const { sizes, count } = parseFrame(bytes);
    let start = 0;
    for (let position = 0; position < count; position += 1) {
      const end = bytes.readBigUInt64LE(TABLE_START + position * ITEM_BYTES);
      const lengthBytes = Number(end) - start;
      if (end > BigInt(Number.MAX_SAFE_INTEGER) || lengthBytes <= 0) {
        throw corrupt(`chunk ${position} does not end behind its start`);
      }
      if (lengthBytes > sizes.maxBytes) {
        throw corrupt(`chunk ${position} has ${lengthBytes} bytes, over ${sizes.maxBytes}`);
      }
      if (lengthBytes < sizes.minBytes && position < count - 1) {
        throw corrupt(`chunk ${position} has ${lengthBytes} bytes, under ${sizes.minBytes}`);
      }
      start = Number(end);
    }
    return new ChunkIndex(bytes, sizes, count);
  }

  /** The index of these chunks, as casync would write it. */
  static of(sizes: ChunkSizes, chunks: readonly ChunkFacts[]): ChunkIndex {
    const tableBytes = TABLE_START - INDEX_HEADER_BYTES + chunks.length * ITEM_BYTES + TAIL_BYTES;
    const bytes = Buffer.alloc(INDEX_HEADER_BYTES + tableBytes);
    const { minBytes, averageBytes, maxBytes } = sizes;
    const head = [minBytes, averageBytes, maxBytes].map(BigInt);
    let offset = 0;
    const write = (value: bigint): void => void (offset = bytes.writeBigUInt64LE(value, offset));
    for (const value of [BigInt(INDEX_HEADER_BYTES), INDEX_TYPE, FLAGS_OF_CASYNC]) write(value);
    for (const value of [...head, ENDLESS, TABLE_TYPE]) write(value);
    let end = 0;
    for (const { id, lengthBytes } of chunks) {
      end += lengthBytes;
      write(BigInt(end));
      offset += bytes.write(id, offset, "hex");
    }
    for (const value of [0n, 0n, BigInt(INDEX_HEADER_BYTES), BigInt(tableBytes)]) write(value);
    write(TAIL_MARKER);
    return ChunkIndex.parse(bytes);
  }

  /** The offset behind the last byte of the chunk at `position`. */
  end(position: number): number {
    return Number(this.bytes.readBigUInt64LE(TABLE_START + position * ITEM_BYTES));
  }

  start(position: number): number {
    return position === 0 ? 0 : this.end(position - 1);
  }

  lengthBytes(position: number): number {
    return this.end(position) - this.start(position);
  }

  /** Lower-case hex. */
  id(position: number): string {
    return this.#idBytes(position).toString("hex");
  }

  /** The position of the chunk that the byte at `offset` is in; `count` behind the last. */
  positionAt(offset: number): number {
    let low = 0;
    let high = this.count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.end(middle) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Where the chunk of that id (lower-case hex) is; −1 when it is not in this blob. */
  find(id: string): number {
    const wanted = Buffer.from(id, "hex");
    const byId = (this.#byId ??= this.#sortById());
    let low = 0;
    let high = byId.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#idBytes(byId[middle] as number).compare(wanted) < 0) low = middle + 1;
      else high = middle;
    }
    const position = byId[low];
    return position !== undefined && this.#idBytes(position).equals(wanted) ? position : -1;
  }

  #idBytes(position: number): Buffer {
    const start = TABLE_START + position * ITEM_BYTES + 8;
    return this.bytes.subarray(start, start + CHUNK_ID_BYTES);
  }

  #sortById(): Uint32Array {
    const { bytes } = this;
    const place = (position: number): number => TABLE_START + position * ITEM_BYTES + 8;
    return Uint32Array.from({ length: this.count }, (_, position) => position).sort(
      (a, b) =>
        bytes.compare(
          bytes,
          place(b),
          place(b) + CHUNK_ID_BYTES,
          place(a),
          place(a) + CHUNK_ID_BYTES,
        ) || a - b,
    );
  }
}

function parseFrame(bytes: Buffer): { sizes: ChunkSizes; count: number } {
  const itemBytes = bytes.length - TABLE_START - TAIL_BYTES;
  if (itemBytes < 0 || itemBytes % ITEM_BYTES !== 0 || bytes.length > MAX_CHUNK_INDEX_BYTES) {
    throw corrupt(`it has ${bytes.length} bytes, which no whole index has`);
  }
  const words = Array.from({ length: TABLE_START / 8 }, (_, word) =>
    bytes.readBigUInt64LE(word * 8),
  );
  const [headerBytes, type, flags = 0n, min, average, max, endless, tableType] = words;
  if (headerBytes !== BigInt(INDEX_HEADER_BYTES) || type !== INDEX_TYPE) {
    throw corrupt("it does not begin as one");
  }
  if ((flags & FLAG_SHA512_256) === 0n) throw corrupt("its chunk ids are not SHA-512/256");
  if (endless !== ENDLESS || tableType !== TABLE_TYPE) throw corrupt("its table does not begin");
  const tail = Array.from({ length: TAIL_BYTES / 8 }, (_, word) =>
    bytes.readBigUInt64LE(bytes.length - TAIL_BYTES + word * 8),
  );
  const tableBytes = BigInt(bytes.length - INDEX_HEADER_BYTES);
  const wanted = [0n, 0n, BigInt(INDEX_HEADER_BYTES), tableBytes, TAIL_MARKER];
  if (wanted.some((word, at) => tail[at] !== word)) throw corrupt("its table's tail is wrong");
  return { sizes: sizesOf(min, average, max), count: itemBytes / ITEM_BYTES };
}

function sizesOf(min = 0n, average = 0n, max = 0n): ChunkSizes {
  if (min < 1n || min > average || average > max || max > BigInt(MAX_CHUNK_BYTES)) {
    throw corrupt(`chunks of ${min}, ${average} and ${max} bytes are not possible here`);
  }
  return { minBytes: Number(min), averageBytes: Number(average), maxBytes: Number(max) };
}

function corrupt(problem: string): MusterError {
  return new MusterError({
    code: "corrupt",
    message: `the chunk index is not usable: ${problem}`,
    detail: { hint: "make the release again with `muster release create`" },
  });
}
