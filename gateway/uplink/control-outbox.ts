// SPDX-License-Identifier: Apache-2.0
/**
 * Lease returns and stop acknowledgements, in order. The center does not acknowledge them, so what
 * went up on a stream that broke within a minute goes up again on the next one; each names what it
 * is about, a repeat changes nothing.
 *
 * Limit: 10,000 messages; beyond, the oldest are dropped. The center then finds those leases
 * expired without a return: their tokens stay spent until each device is accounted for: safe.
 */
import type { Clock } from "../../ports/clock.ts";
import type { CenterMessage, UplinkSource, WakeUplink } from "./uplink-source.ts";

export const MAX_CONTROL_MESSAGES = 10_000;
/** Longer than any break after which a message may have been lost unnoticed: pings find it. */
const KEEP_SENT_MS = 60_000;

interface Kept {
  readonly message: CenterMessage;
  readonly sentAtMs: number;
}

export class ControlOutbox implements UplinkSource {
  readonly #clock: Clock;
  readonly #wake: WakeUplink;
  #waiting: CenterMessage[] = [];
  #sent: Kept[] = [];

  constructor(options: { clock: Clock; wake: WakeUplink }) {
    this.#clock = options.clock;
    this.#wake = options.wake;
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  push(message: CenterMessage): void {
    this.#waiting.push(message);
    if (this.#waiting.length > MAX_CONTROL_MESSAGES) this.#waiting.shift();
    this.#wake();
  }

  linkOpened(): void {
    this.#forgetOld();
    this.#waiting = [...this.#sent.map(({ message }) => message), ...this.#waiting];
    this.#sent = [];
  }

  linkLost(): void {}

  hurry(): void {}

  next(): CenterMessage | null {
    const message = this.#waiting.shift();
    if (message === undefined) return null;
    this.#forgetOld();
    this.#sent.push({ message, sentAtMs: this.#clock.monotonicMs() });
    if (this.#sent.length > MAX_CONTROL_MESSAGES) this.#sent.shift();
    return message;
  }

  #forgetOld(): void {
    const oldestMs = this.#clock.monotonicMs() - KEEP_SENT_MS;
    const firstKept = this.#sent.findIndex(({ sentAtMs }) => sentAtMs >= oldestMs);
    if (firstKept !== 0) this.#sent.splice(0, firstKept === -1 ? this.#sent.length : firstKept);
  }
}
