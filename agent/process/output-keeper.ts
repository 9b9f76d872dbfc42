// SPDX-License-Identifier: Apache-2.0
/**
 * What a program prints, in bounded memory, whatever it prints: the first half of the limit and,
 * in a ring, the last half. Both are allocated once; a chunk costs copying at most the limit.
 */
export class OutputKeeper {
  readonly #head: Buffer;
  readonly #tail: Buffer;
  #totalBytes = 0;
  /** Bytes that were offered to the tail so far. */
  #tailTotal = 0;

  constructor(limitBytes: number) {
    this.#head = Buffer.alloc(Math.ceil(limitBytes / 2));
    this.#tail = Buffer.alloc(Math.floor(limitBytes / 2));
  }

  /** All that was printed, kept or not. */
  get totalBytes(): number {
    return this.#totalBytes;
  }

  add(chunk: Buffer): void {
    const intoHead = Math.min(chunk.length, Math.max(0, this.#head.length - this.#totalBytes));
    chunk.copy(this.#head, this.#totalBytes, 0, intoHead);
    this.#totalBytes += chunk.length;
    this.#addToTail(chunk.subarray(intoHead));
  }

  #addToTail(chunk: Buffer): void {
    const ring = this.#tail;
    if (ring.length === 0) {
      this.#tailTotal += chunk.length;
      return;
    }
    const last = chunk.subarray(Math.max(0, chunk.length - ring.length));
    const start = (this.#tailTotal + chunk.length - last.length) % ring.length;
    const beforeEdge = Math.min(last.length, ring.length - start);
    last.copy(ring, start, 0, beforeEdge);
    last.copy(ring, 0, beforeEdge);
    this.#tailTotal += chunk.length;
  }

  /** What is kept, with a line where the middle is left out. Bytes that are no UTF-8 become �. */
  text(): string {
    const head = this.#head.subarray(0, Math.min(this.#totalBytes, this.#head.length));
    const ring = this.#tail;
    if (this.#tailTotal <= ring.length) {
      return Buffer.concat([head, ring.subarray(0, this.#tailTotal)]).toString("utf8");
    }
    const leftOut = this.#tailTotal - ring.length;
    const line = `\n… ${leftOut} bytes left out …\n`;
    if (ring.length === 0) return head.toString("utf8") + line;
    const oldest = this.#tailTotal % ring.length;
    const tail = Buffer.concat([ring.subarray(oldest), ring.subarray(0, oldest)]);
    return head.toString("utf8") + line + tail.toString("utf8");
  }
}
