// SPDX-License-Identifier: Apache-2.0
/**
 * The messages that a device has not acknowledged (of MQTT: at QoS 1), in at most 32 places, or in
 * as few as the client allows (Receive Maximum). Nothing is repeated within a connection; what was
 * under way when the connection before was lost goes out again first, in its order and under its
 * packet ids [MQTT-4.4.0-1], where whoever sent it still lets it.
 */
import assert from "node:assert/strict";
import type { KeptDelivery } from "./kept-delivery.ts";

export const MAX_IN_FLIGHT = 32;

export interface DeliveryWindowOptions {
  readonly receiveMaximum: number;
  /** Of the connection before. Default 0. */
  readonly lastPacketId?: number;
  /** Of the connection before, oldest first. */
  readonly repeats?: readonly KeptDelivery[];
}

export class DeliveryWindow {
  readonly #size: number;
  readonly #inFlight: KeptDelivery[] = [];
  readonly #repeats: KeptDelivery[];
  #lastPacketId: number;

  constructor(options: DeliveryWindowOptions) {
    this.#size = Math.min(options.receiveMaximum, MAX_IN_FLIGHT);
    this.#lastPacketId = options.lastPacketId ?? 0;
    this.#repeats = [...(options.repeats ?? [])];
  }

  /** Nothing new may be sent: there is no place, or what is to be repeated comes first. */
  get isFull(): boolean {
    return this.#inFlight.length >= this.#size || this.#repeats.length > 0;
  }

  get lastPacketId(): number {
    return this.#lastPacketId;
  }

  /** Everything that is not acknowledged, oldest first. */
  get unacknowledged(): readonly KeptDelivery[] {
    return [...this.#inFlight, ...this.#repeats];
  }

  /** Takes a place; the packet id is one that is not in flight. */
  open(delivery: Omit<KeptDelivery, "packetId">): number {
    assert(!this.isFull, "the caller asks isFull first");
    do this.#lastPacketId = (this.#lastPacketId % 0xffff) + 1;
    while (this.#inFlight.some(({ packetId }) => packetId === this.#lastPacketId));
    this.#inFlight.push({ packetId: this.#lastPacketId, ...delivery });
    return this.#lastPacketId;
  }

  /** The next message to send again; null: there is none, or no place for it. */
  repeat(): KeptDelivery | null {
    while (this.#inFlight.length < this.#size) {
      const delivery = this.#repeats.shift();
      if (delivery === undefined) return null;
      if (delivery.mayRepeat?.() !== true) continue;
      this.#inFlight.push(delivery);
      return delivery;
    }
    return null;
  }

  /** False when no message with this id is in flight. */
  close(packetId: number): boolean {
    const index = this.#inFlight.findIndex((delivery) => delivery.packetId === packetId);
    if (index === -1) return false;
    const [delivery] = this.#inFlight.splice(index, 1);
    delivery?.acknowledged?.();
    return true;
  }
}
