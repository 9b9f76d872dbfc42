// SPDX-License-Identifier: Apache-2.0
/**
 * What a connection delivers to its device, in the QoS of the device's subscription. Before
 * anything else, what an earlier connection of the same session did not get acknowledged.
 *
 * Limit: 32 messages without acknowledgement, or as few as the client allows.
 */
import type { DownChannel } from "../../../protocol/device/topics.ts";
import { encodePublish } from "../../../protocol/mqtt/encoder.ts";
import type { Properties } from "../../../protocol/mqtt/properties.ts";
import type { DeliveryOutcome } from "../../sessions/device-link.ts";
import type { KeptDelivery } from "../../sessions/kept-delivery.ts";
import type { KeptSession } from "../../sessions/kept-sessions.ts";
import { deliveryQos } from "../../sessions/subscriptions.ts";
import { BLOCKED_OUTPUT_BYTES, State } from "../stream-output.ts";
import { ConnectionOutput } from "./connection-output.ts";
import { DeliveryWindow } from "../../sessions/delivery-window.ts";
import { downTopic } from "./topic-rules.ts";

const NO_DELIVERIES: readonly KeptDelivery[] = [];
const NO_BYTES = new Uint8Array(0);

export class ConnectionDeliveries extends ConnectionOutput {
  /** Present from the first QoS 1 delivery on. */
  #window: DeliveryWindow | null = null;
  #receiveMaximum = 0xffff;
  /** How long the session is kept after this connection, s; 0: not at all. */
  protected expirySeconds = 0;
  /** What is larger never goes out: it would not fit behind output that is not yet blocked. */
  #packetBytesMax = BLOCKED_OUTPUT_BYTES;

  deliver(
    channel: DownChannel,
    payload: Uint8Array,
    acknowledged: (() => void) | null = null,
    mayRepeat: (() => boolean) | null = null,
  ): DeliveryOutcome {
    if (this.state !== State.Open) return "blocked";
    const { table } = this.context;
    const qos = deliveryQos(table.state[this.slot] as number, channel);
    if (qos === -1) return "unsubscribed";
    const isWindowFull = qos === 1 && this.#window !== null && this.#window.isFull;
    if (this.isBlocked || isWindowFull) return "blocked";
    const topic = downTopic(table.device(this.slot), channel);
    // Fixed header, topic with its length, packet id, properties' length: 12 bytes at most.
    const packetBytes = payload.length + topic.length + 12;
    if (packetBytes > this.#packetBytesMax) return "too-large";
    let packetId = 0;
    if (qos === 1) {
      this.#window ??= new DeliveryWindow({ receiveMaximum: this.#receiveMaximum });
      // Bytes are held on to where they may be wanted once more.
      const kept = this.expirySeconds > 0 && mayRepeat !== null ? payload : NO_BYTES;
      packetId = this.#window.open({ channel, payload: kept, acknowledged, mayRepeat });
    }
    const message = { topic, payload, qos, packetId, retain: false, dup: false };
    this.write(encodePublish(this.level, message));
    return "sent";
  }

  /** After `heedLimits`. */
  protected resumeDeliveries({ deliveries: repeats, lastPacketId }: KeptSession): void {
    const receiveMaximum = this.#receiveMaximum;
    this.#window = new DeliveryWindow({ receiveMaximum, lastPacketId, repeats });
    this.#repeat();
  }

  /** For the session that is kept. */
  protected get unacknowledged(): readonly KeptDelivery[] {
    return this.#window?.unacknowledged ?? NO_DELIVERIES;
  }

  protected get lastPacketId(): number {
    return this.#window?.lastPacketId ?? 0;
  }

  protected override roomAgain(): void {
    this.#repeat();
    super.roomAgain();
  }

  /** Largest packet that the client takes and our output holds, bytes. */
  protected get packetBytesMax(): number {
    return this.#packetBytesMax;
  }

  /** What CONNECT says of the client's own limits. */
  protected heedLimits(properties: Properties | undefined): void {
    this.#receiveMaximum = properties?.receiveMaximum ?? 0xffff;
    const packetBytesMax = properties?.maximumPacketSizeBytes ?? Infinity;
    this.#packetBytesMax = Math.min(this.#packetBytesMax, packetBytesMax);
  }

  protected deliveryAcknowledged(packetId: number): void {
    const wasFull = this.#window?.isFull === true;
    // An id that is not in flight is harmless: MQTT lets a receiver answer late (§4.3.2).
    if (this.#window?.close(packetId) === true && wasFull) this.roomAgain();
  }

  #repeat(): void {
    while (this.state === State.Open && !this.isBlocked) {
      const delivery = this.#window?.repeat() ?? null;
      if (delivery === null) return;
      const { packetId, channel, payload } = delivery;
      const topic = downTopic(this.context.table.device(this.slot), channel);
      const message = { topic, payload, packetId, qos: 1, retain: false, dup: true } as const;
      const bytes = encodePublish(this.level, message);
      // What this connection cannot take counts as taken [MQTT-3.1.2-25].
      if (bytes.length <= this.#packetBytesMax) this.write(bytes);
      else this.#window?.close(packetId);
    }
  }
}
