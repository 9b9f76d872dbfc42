// SPDX-License-Identifier: Apache-2.0
/**
 * Frames out of a byte stream that comes in pieces of any size: four bytes of length, big-endian,
 * then one Protobuf message. Whatever the bytes are, nothing is thrown; the first fault is the end
 * of the stream, for nobody knows where the next frame begins.
 *
 * Limits: the length is looked at as soon as it is there, so a frame that is too long is refused
 * before it is kept. Of an unfinished frame only what has come is kept, in at most twice that many
 * bytes (128 at least): a length alone reserves nothing.
 */
import assert from "node:assert/strict";
import { DecodeFault, isFault, type Codec } from "../codec.ts";

/**
 * Largest message in a frame, bytes: twice the largest payload, a hello. So a payload that is
 * somewhat too long can still be refused by an answer instead of by the end of the connection.
 */
export const FRAME_BYTES_MAX = 65_536;
export const LENGTH_BYTES = 4;
/** Most frames fit, so the buffer for an unfinished one need not grow. */
const TAIL_BYTES_MIN = 128;
const NO_BYTES: Buffer = Buffer.alloc(0);

export interface FrameDecoderOptions<Message> {
  /** May be shared by all connections of a listener. */
  readonly frames: Pick<Codec<Message>, "decode">;
  /** Default FRAME_BYTES_MAX. */
  readonly maxBytes?: number;
}

export class FrameDecoder<Message> {
  readonly #frames: Pick<Codec<Message>, "decode">;
  readonly #maxBytes: number;
  /** What was pushed last, and where its unread part starts. */
  #chunk: Buffer = NO_BYTES;
  #offset = 0;
  /** The start of a frame whose rest has not arrived. */
  #tail: Buffer = NO_BYTES;
  #tailBytes = 0;
  #fault: DecodeFault | null = null;

  constructor(options: FrameDecoderOptions<Message>) {
    this.#frames = options.frames;
    this.#maxBytes = options.maxBytes ?? FRAME_BYTES_MAX;
  }

  /** Bytes that wait for the rest of their frame. */
  get pendingBytes(): number {
    return this.#tailBytes;
  }

  /**
   * Takes the next bytes of the stream. `next` must have returned null since the last push; the
   * chunk is not looked at any more when it returns null again.
   */
  push(chunk: Uint8Array): void {
    assert(this.#offset === this.#chunk.length, "push before next returned null");
    this.#chunk = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    this.#offset = 0;
  }

  /** The next message; null when more bytes are needed; the fault, again and again, once one is. */
  next(): Message | DecodeFault | null {
    if (this.#fault !== null) return this.#fault;
    const body = this.#nextBody();
    if (body === null) return null;
    const decoded = isFault(body) ? body : this.#frames.decode(body);
    if (isFault(decoded)) this.#fault = decoded;
    return decoded;
  }

  #nextBody(): Buffer | DecodeFault | null {
    const leftBytes = this.#chunk.length - this.#offset;
    if (this.#tailBytes > 0 || leftBytes < LENGTH_BYTES) return this.#gatherFrame();
    const bodyBytes = this.#chunk.readUInt32BE(this.#offset);
    if (bodyBytes > this.#maxBytes) return this.#tooLong(bodyBytes);
    if (leftBytes < LENGTH_BYTES + bodyBytes) return this.#gatherFrame();
    const start = this.#offset + LENGTH_BYTES;
    this.#offset = start + bodyBytes;
    return this.#chunk.subarray(start, this.#offset);
  }

  /** A frame that comes in more than one piece. */
  #gatherFrame(): Buffer | DecodeFault | null {
    if (!this.#gather(LENGTH_BYTES)) return null;
    const bodyBytes = this.#tail.readUInt32BE(0);
    if (bodyBytes > this.#maxBytes) return this.#tooLong(bodyBytes);
    if (!this.#gather(LENGTH_BYTES + bodyBytes)) return null;
    const body = this.#tail.subarray(LENGTH_BYTES, LENGTH_BYTES + bodyBytes);
    this.#tail = NO_BYTES;
    this.#tailBytes = 0;
    return body;
  }

  /** Moves bytes of the chunk to the tail, until that has so many; false: the chunk has no more. */
  #gather(byteCount: number): boolean {
    const missingBytes = Math.max(0, byteCount - this.#tailBytes);
    const movedBytes = Math.min(missingBytes, this.#chunk.length - this.#offset);
    if (movedBytes > 0) {
      this.#reserve(this.#tailBytes + movedBytes);
      this.#chunk.copy(this.#tail, this.#tailBytes, this.#offset, this.#offset + movedBytes);
      this.#tailBytes += movedBytes;
      this.#offset += movedBytes;
    }
    return movedBytes === missingBytes;
  }

  #reserve(byteCount: number): void {
    if (byteCount <= this.#tail.length) return;
    const before = this.#tail;
    this.#tail = Buffer.allocUnsafeSlow(Math.max(TAIL_BYTES_MIN, byteCount * 2));
    before.copy(this.#tail, 0, 0, this.#tailBytes);
  }

  #tooLong(bodyBytes: number): DecodeFault {
    return new DecodeFault(`a frame of ${bodyBytes} bytes, where ${this.#maxBytes} are allowed`);
  }
}
