// SPDX-License-Identifier: Apache-2.0
/**
 * The transport of a connection whose socket is written directly: what answers one chunk is
 * gathered in a buffer that all connections share, for only one is being answered at a time, and
 * leaves in one write. What the kernel does not take at once waits as in any socket.
 */
import type { Socket } from "node:net";
import { writeDirectly } from "../../../runtime/direct-socket.ts";
import type { StreamTransport } from "../stream-transport.ts";

/** What is gathered; a packet that does not fit goes by itself, behind what is there. */
const GATHERED_BYTES_MAX = 16_384;

const gathered = Buffer.alloc(GATHERED_BYTES_MAX);
/** Of the one transport that is corked. */
let gatheredBytes = 0;

export class DirectTransport implements StreamTransport {
  readonly #socket: Socket;
  /** Given to the kernel, and not taken yet. */
  #lateBytes = 0;
  #isCorked = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress;
  }

  get remotePort(): number | undefined {
    return this.#socket.remotePort;
  }

  get writableLength(): number {
    const waitingBytes = this.#socket.writableLength + this.#lateBytes;
    return this.#isCorked ? waitingBytes + gatheredBytes : waitingBytes;
  }

  cork(): void {
    this.#isCorked = true;
    gatheredBytes = 0;
  }

  uncork(): void {
    if (!this.#isCorked) return;
    this.#isCorked = false;
    if (gatheredBytes > 0) this.#send(gathered.subarray(0, gatheredBytes));
  }

  write(bytes: Buffer): void {
    if (!this.#isCorked) return this.#send(bytes);
    if (gatheredBytes + bytes.length > GATHERED_BYTES_MAX) {
      this.#send(gathered.subarray(0, gatheredBytes));
      gatheredBytes = 0;
      if (bytes.length > GATHERED_BYTES_MAX) return this.#send(bytes);
    }
    gathered.set(bytes, gatheredBytes);
    gatheredBytes += bytes.length;
  }

  destroySoon(): void {
    this.uncork();
    this.#socket.destroySoon();
  }

  destroy(): void {
    this.#isCorked = false;
    this.#socket.destroy();
  }

  /** The socket's own, and no timer of ours. */
  ["setTimeout"](durationMs: number): void {
    this.#socket.setTimeout(durationMs);
  }

  #send(bytes: Buffer): void {
    // Behind what waits, in the stream: its order is the order of writes.
    if (this.#socket.writableLength > 0 || this.#lateBytes > 0) {
      this.#socket.write(Buffer.from(bytes));
      return;
    }
    const late = writeDirectly(this.#socket, bytes);
    if (late === null) return;
    this.#lateBytes = bytes.length;
    late.oncomplete = (status) => this.#ended(status);
    if (late.writeStatus !== null) this.#ended(late.writeStatus);
  }

  #ended(status: number): void {
    this.#lateBytes = 0;
    if (status < 0) this.#socket.destroy();
  }
}
