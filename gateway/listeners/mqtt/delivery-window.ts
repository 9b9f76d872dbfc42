// SPDX-License-Identifier: Apache-2.0
/**
 * The QoS 1 messages that a device has not acknowledged: their packet ids, in at most 32 places or
 * as few as the client allows (Receive Maximum). Nothing is repeated within a connection
 * [MQTT-4.4.0-1]; what was not acknowledged when it ends is offered again by whoever holds the
 * lease then.
 */
import assert from "node:assert/strict";

export const MAX_IN_FLIGHT = 32;

export class DeliveryWindow {
  readonly #size: number;
  readonly #packetIds: number[] = [];
  /** What to call, in the same order. */
  readonly #listeners: ((() => void) | null)[] = [];
  #lastPacketId = 0;

  constructor(options: { receiveMaximum: number }) {
    this.#size = Math.min(options.receiveMaximum, MAX_IN_FLIGHT);
  }

  get isFull(): boolean {
    return this.#packetIds.length >= this.#size;
  }

  /** A packet id that is not in flight. `acknowledged` is called when it is acknowledged. */
  open(acknowledged: (() => void) | null): number {
    assert(!this.isFull, "the caller asks isFull first");
    do this.#lastPacketId = (this.#lastPacketId % 0xffff) + 1;
    while (this.#packetIds.includes(this.#lastPacketId));
    this.#packetIds.push(this.#lastPacketId);
    this.#listeners.push(acknowledged);
    return this.#lastPacketId;
  }

  /** False when no message with this id is in flight. */
  close(packetId: number): boolean {
    const index = this.#packetIds.indexOf(packetId);
    if (index === -1) return false;
    this.#packetIds.splice(index, 1);
    const [acknowledged] = this.#listeners.splice(index, 1);
    acknowledged?.();
    return true;
  }
}
