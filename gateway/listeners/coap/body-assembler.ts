// SPDX-License-Identifier: Apache-2.0
/**
 * Bodies that devices send in blocks (RFC 7959 §2.5, Block1), put together before anybody sees
 * them. A device sends one body at a time: a first block begins anew.
 *
 * Limits: the body's own bound, 512 devices at once (with 32 KiB each, the largest hello, 16 MiB in
 * all), and 60 s from the first block to the last: a device that gave up is forgotten when the
 * place is needed.
 */
import type { Clock } from "../../../ports/clock.ts";
import { Code } from "../../../protocol/coap/codes.ts";
import { blockBytes, type Block } from "../../../protocol/coap/option-values.ts";

export const MAX_UPLOADS = 512;
export const UPLOAD_LIFETIME_MS = 60_000;

interface Upload {
  readonly resource: string;
  readonly startedAtMs: number;
  readonly chunks: Buffer[];
  byteCount: number;
}

export type BlockResult =
  | { readonly body: Buffer }
  /** Nothing is complete: answer with this code. */
  | { readonly code: number };

export class BodyAssembler {
  readonly #clock: Clock;
  /** By device, in the order of their first blocks. */
  readonly #uploads = new Map<string, Upload>();

  constructor(options: { clock: Clock }) {
    this.#clock = options.clock;
  }

  get uploadCount(): number {
    return this.#uploads.size;
  }

  /** Takes a block of a body for `resource` of at most `maxBytes`. */
  take(
    device: string,
    resource: string,
    block: Block,
    payload: Buffer,
    maxBytes: number,
  ): BlockResult {
    if (block.number === 0 && !block.hasMore) return { body: payload };
    if (block.number === 0 && !this.#begin(device, resource)) {
      return { code: Code.ServiceUnavailable };
    }
    const upload = this.#uploads.get(device);
    const offset = block.number * blockBytes(block.sizeExponent);
    // §2.9.2: a block that does not follow on what is here.
    if (upload === undefined || upload.resource !== resource || upload.byteCount !== offset) {
      return { code: Code.RequestEntityIncomplete };
    }
    // §2.2: every block but the last is full.
    const isFull = payload.length === blockBytes(block.sizeExponent);
    if (block.hasMore ? !isFull : payload.length > blockBytes(block.sizeExponent)) {
      this.#uploads.delete(device);
      return { code: Code.BadRequest };
    }
    if (offset + payload.length > maxBytes) {
      this.#uploads.delete(device);
      return { code: Code.RequestEntityTooLarge };
    }
    // A copy: under OSCORE the payload lies in memory that the next datagram uses.
    upload.chunks.push(Buffer.from(payload));
    upload.byteCount += payload.length;
    if (block.hasMore) return { code: Code.Continue };
    this.#uploads.delete(device);
    return { body: Buffer.concat(upload.chunks) };
  }

  forget(device: string): void {
    this.#uploads.delete(device);
  }

  #begin(device: string, resource: string): boolean {
    const nowMs = this.#clock.monotonicMs();
    this.#uploads.delete(device);
    if (this.#uploads.size >= MAX_UPLOADS) {
      const [oldest] = this.#uploads;
      if (oldest === undefined || nowMs - oldest[1].startedAtMs < UPLOAD_LIFETIME_MS) return false;
      this.#uploads.delete(oldest[0]);
    }
    this.#uploads.set(device, { resource, startedAtMs: nowMs, chunks: [], byteCount: 0 });
    return true;
  }
}
