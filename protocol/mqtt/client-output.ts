// SPDX-License-Identifier: Apache-2.0
/** The sending half of a client session: one place that knows whether anything may be sent. */
import type { Duplex } from "node:stream";

export class ClientOutput {
  /** Something was sent since the keep alive timer looked last; the timer clears it. */
  hasSent = false;
  /** The session is over: whatever is sent now goes nowhere. */
  isClosed = false;
  /** Bytes of the largest packet that the server takes (its Maximum Packet Size). */
  maxPacketBytes: number = Number.MAX_SAFE_INTEGER;
  readonly #transport: Duplex;

  constructor(transport: Duplex) {
    this.#transport = transport;
  }

  /** Bytes that the transport has taken and not passed on. */
  get waitingBytes(): number {
    return this.#transport.writableLength;
  }

  send(bytes: Buffer): void {
    if (this.isClosed) return;
    this.hasSent = true;
    this.#transport.write(bytes);
  }
}
