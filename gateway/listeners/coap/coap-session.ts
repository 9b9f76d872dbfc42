// SPDX-License-Identifier: Apache-2.0
/**
 * The session of one device over CoAP, as everything behind the listener sees it. Small, for there
 * may be a million: what it keeps by device lies in `CoapColumns`; what only a busy device needs is
 * made when it is busy.
 */
import { Code } from "../../../protocol/coap/codes.ts";
import type { DownChannel } from "../../../protocol/device/topics.ts";
import { MAX_HELD_MESSAGES } from "../../sessions/ack-queue.ts";
import type { CloseCause, DeliveryOutcome, DeviceLink } from "../../sessions/device-link.ts";
import type { Representation } from "./block-reply.ts";
import { heldRequest, type DeviceRequest, type HeldRequest } from "./coap-request.ts";

/** The channel whose messages a device can observe; nothing goes out on the others yet. */
export const OBSERVED_CHANNEL = "offer";
/** An offer has 16 KiB at most. */
export const MAX_DELIVERY_BYTES = 32_768;

/** What a session needs of its listener. */
export interface SessionHost {
  /** What the device with these keys has shown, as its session names it to the center. */
  credentialOf(keyRow: number): string;
  /** Sends the message to the device's observation. */
  notify(
    session: CoapSession,
    payload: Uint8Array,
    acknowledged: (() => void) | null,
  ): DeliveryOutcome;
  /** Answers a request that was held. */
  answerLater(session: CoapSession, request: HeldRequest, code: number): void;
  /** Called by the session, once. */
  end(session: CoapSession, cause: CloseCause): void;
}

/** What a device is owed that has reports under way. */
interface Debts {
  readonly requests: Map<number, HeldRequest>;
  lastTicket: number;
}

export class CoapSession implements DeviceLink {
  readonly #host: SessionHost;
  /** -1: closed, or not open yet. */
  slot = -1;
  /** As in `Answered`. */
  readonly keyRow: number;
  representation: Representation | null = null;
  #debts: Debts | null = null;

  constructor(host: SessionHost, keyRow: number) {
    this.#host = host;
    this.keyRow = keyRow;
  }

  get certificateSerial(): string {
    return this.#host.credentialOf(this.keyRow);
  }

  deliver(
    channel: DownChannel,
    payload: Uint8Array,
    acknowledged: (() => void) | null = null,
  ): DeliveryOutcome {
    if (this.slot === -1) return "blocked";
    if (channel !== OBSERVED_CHANNEL) return "unsubscribed";
    if (payload.length > MAX_DELIVERY_BYTES) return "too-large";
    return this.#host.notify(this, payload, acknowledged);
  }

  /** The ticket under which the request is answered later; -1: the device has too many. */
  hold(request: DeviceRequest): number {
    const debts = (this.#debts ??= { requests: new Map(), lastTicket: 0 });
    if (debts.requests.size === MAX_HELD_MESSAGES) return -1;
    debts.lastTicket += 1;
    debts.requests.set(debts.lastTicket, heldRequest(request));
    return debts.lastTicket;
  }

  /** The request that was held under the ticket, once. */
  release(ticket: number): HeldRequest | null {
    const request = this.#debts?.requests.get(ticket) ?? null;
    this.#debts?.requests.delete(ticket);
    if (this.#debts?.requests.size === 0) this.#debts = null;
    return request;
  }

  acknowledge(ticket: number): void {
    const request = this.release(ticket);
    if (request === null || this.slot === -1) return;
    this.#host.answerLater(this, request, Code.Changed);
  }

  close(cause: CloseCause): void {
    if (this.slot === -1) return;
    this.#host.end(this, cause);
    this.slot = -1;
    this.#debts = null;
    this.representation = null;
  }
}
