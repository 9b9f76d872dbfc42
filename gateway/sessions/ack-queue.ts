// SPDX-License-Identifier: Apache-2.0
/**
 * The acknowledgements that a device waits for, in the order in which its messages came: PUBACKs
 * and PUBRECs must keep it [MQTT-4.6.0-2] [MQTT-4.6.0-3], and a report is acknowledged only when
 * the center holds it, so what comes behind a report waits with it.
 *
 * A ticket names a place in the queue; it grows by one with each message and never repeats within
 * a connection, so a late answer cannot hit another message.
 *
 * Limit: 32 messages. MQTT 5 clients are told so (Receive Maximum); a 3.1.1 client that has more
 * under way is closed, and sends again what was not acknowledged.
 */
import assert from "node:assert/strict";

export const MAX_HELD_MESSAGES = 32;
/** No packet has this reason code. */
const PENDING = 0xff;
/** In an answer, beside its reason code: it is a PUBREC. */
export const PUBREC_BIT = 0x100;

export class AckQueue {
  readonly #packetIds = new Uint16Array(MAX_HELD_MESSAGES);
  /** Reason code of the answer, or `PENDING`; and `PUBREC_BIT`. */
  readonly #reasonCodes = new Uint16Array(MAX_HELD_MESSAGES);
  /** By ticket, of answers that have a sentence: those to what a device got wrong. */
  #reasons: Map<number, string> | null = null;
  #head = 0;
  #tail = 0;

  get length(): number {
    return this.#tail - this.#head;
  }

  /** The ticket that the next message will have. */
  get nextTicket(): number {
    return this.#tail;
  }

  get isFull(): boolean {
    return this.length === MAX_HELD_MESSAGES;
  }

  /** True when a message with this packet id waits for its answer (a repeat). */
  has(packetId: number): boolean {
    for (let ticket = this.#head; ticket < this.#tail; ticket += 1) {
      if (this.#packetIds[ticket % MAX_HELD_MESSAGES] === packetId) return true;
    }
    return false;
  }

  /** Packet ids of QoS 2 that were taken and whose PUBREC waits for an answer before it. */
  taken(): number[] {
    const packetIds: number[] = [];
    for (let ticket = this.#head; ticket < this.#tail; ticket += 1) {
      const answer = this.#reasonCodes[ticket % MAX_HELD_MESSAGES] as number;
      const packetId = this.#packetIds[ticket % MAX_HELD_MESSAGES] as number;
      if ((answer & PUBREC_BIT) !== 0 && (answer & 0xff) < 0x80) packetIds.push(packetId);
    }
    return packetIds;
  }

  /** Adds a message whose answer is not known yet. */
  hold(packetId: number, qos: 1 | 2 = 1): number {
    assert(!this.isFull, "the caller asks isFull first");
    const ticket = this.#tail;
    this.#packetIds[ticket % MAX_HELD_MESSAGES] = packetId;
    this.#reasonCodes[ticket % MAX_HELD_MESSAGES] = PENDING | (qos === 2 ? PUBREC_BIT : 0);
    this.#tail += 1;
    return ticket;
  }

  /** The answer of a held message is known; false when the ticket is not waiting. */
  resolve(ticket: number, reasonCode: number, reason = ""): boolean {
    if (ticket < this.#head || ticket >= this.#tail) return false;
    const index = ticket % MAX_HELD_MESSAGES;
    const answer = this.#reasonCodes[index] as number;
    if ((answer & 0xff) !== PENDING) return false;
    this.#reasonCodes[index] = (answer & PUBREC_BIT) | reasonCode;
    if (reason !== "") (this.#reasons ??= new Map()).set(ticket, reason);
    return true;
  }

  /**
   * Takes the next answer that may go out now: packet id × 65,536 + `PUBREC_BIT` or 0 + reason
   * code; -1 when none.
   */
  shift(): number {
    if (this.#head === this.#tail) return -1;
    const index = this.#head % MAX_HELD_MESSAGES;
    const answer = this.#reasonCodes[index] as number;
    if ((answer & 0xff) === PENDING) return -1;
    this.#head += 1;
    return (this.#packetIds[index] as number) * 0x1_0000 + answer;
  }

  /** The sentence of the answer that `shift` took last; "" = it has none. */
  takeReason(): string {
    const reason = this.#reasons?.get(this.#head - 1) ?? "";
    if (reason !== "") this.#reasons?.delete(this.#head - 1);
    return reason;
  }
}
