// SPDX-License-Identifier: Apache-2.0
/**
 * The sessions of one CoAP listener. A session begins with a hello and ends like any other: by
 * silence, a newer one, the center, a goodbye. What the gateway has to say goes to the place where
 * the device registered its observation, confirmable, one message at a time.
 */
import assert from "node:assert/strict";
import type { Random } from "../../../ports/random.ts";
import { Code, MessageType } from "../../../protocol/coap/codes.ts";
import { uintOption } from "../../../protocol/coap/option-values.ts";
import { OptionNumber } from "../../../protocol/coap/options.ts";
import type { CloseCause, DeliveryOutcome } from "../../sessions/device-link.ts";
import { deviceKey } from "../../sessions/session-table.ts";
import { contentReply } from "./block-reply.ts";
import type { CoapColumns } from "./coap-columns.ts";
import type { CoapContext } from "./coap-context.ts";
import {
  plainReply,
  type CoapReply,
  type DeviceRequest,
  type HeldRequest,
} from "./coap-request.ts";
import { CoapSession, type SessionHost } from "./coap-session.ts";
import type { ConfirmableSender } from "./confirmable-sender.ts";
import type { RefusedDevices } from "./refused-devices.ts";
import type { Sealer } from "./sealer.ts";
import type { Source } from "./source.ts";

/** What an observer is told when his session ends (RFC 7641 §3.2): a code and when to come back. */
const LAST_WORDS: { readonly [cause in CloseCause]?: CoapReply } = {
  draining: {
    ...plainReply(Code.ServiceUnavailable),
    options: [uintOption(OptionNumber.MaxAge, 5)],
  },
  refused: plainReply(Code.Forbidden),
  retired: plainReply(Code.Forbidden),
};

export interface CoapSessionsOptions extends CoapContext {
  readonly columns: CoapColumns;
  readonly sender: ConfirmableSender;
  readonly sealer: Sealer;
  readonly refused: RefusedDevices;
  readonly transmit: (bytes: Buffer, to: Source) => void;
  /** What belongs to a device's keys; without keys, the device's name is all that there is. */
  readonly credentials: SessionCredentials;
}

export interface SessionCredentials {
  /** What the device with these keys has shown, as its session names it to the center. */
  credentialOf(keyRow: number): string;
  /** The slot of the request's session, on whatever listener; -1: there is none. */
  slotOf(request: DeviceRequest): number;
  sessionOpened(keyRow: number, slot: number): void;
  /** `name`: tenant/device. */
  sessionEnded(keyRow: number, name: string): void;
}

export type OpenOutcome =
  | CoapSession
  /** There is no slot left. */
  | "full"
  /** The device has a session with more authority than this listener can give. */
  | "outranked";

export class CoapSessions implements SessionHost {
  readonly columns: CoapColumns;
  readonly #context: CoapContext;
  readonly #sender: ConfirmableSender;
  readonly #sealer: Sealer;
  readonly #refused: RefusedDevices;
  readonly #transmit: (bytes: Buffer, to: Source) => void;
  readonly #random: Random;
  readonly #credentials: SessionCredentials;
  #lastEtag = 0;

  constructor(options: CoapSessionsOptions) {
    this.columns = options.columns;
    this.#context = options;
    this.#sender = options.sender;
    this.#sealer = options.sealer;
    this.#refused = options.refused;
    this.#transmit = options.transmit;
    this.#random = options.random;
    this.#credentials = options.credentials;
    this.#lastEtag = Math.floor(options.random.next() * 0x1_0000_0000);
  }

  credentialOf(keyRow: number): string {
    return this.#credentials.credentialOf(keyRow);
  }

  /** The device's session on this listener; null when there is none. */
  find(request: DeviceRequest): CoapSession | null {
    const { table } = this.#context;
    const slot = this.#credentials.slotOf(request);
    const link = slot === -1 ? null : table.link(slot);
    return link instanceof CoapSession && link.keyRow === request.keyRow ? link : null;
  }

  /** A session for whom there may be an older one, here or elsewhere: the newest wins. */
  open(request: DeviceRequest): OpenOutcome {
    const { table, lifecycle } = this.#context;
    const { tenant, device, keyRow } = request;
    const older = table.slotOfDevice(deviceKey(tenant, device));
    if (older !== -1) {
      const link = table.link(older);
      if (keyRow === -1 && link.certificateSerial !== "") return "outranked";
      // Before the new one takes a slot: with all slots taken, a device must not wait for its own.
      link.close("taken-over");
    }
    const session = new CoapSession(this, keyRow);
    const slot = lifecycle.connect(session);
    if (slot === -1) return "full";
    session.slot = slot;
    this.columns.open(slot, Math.floor(this.#random.next() * 0x1_0000));
    lifecycle.open(slot, { tenant, device, protocolLevel: 0, keepAliveSeconds: 0 });
    this.#credentials.sessionOpened(keyRow, slot);
    return session;
  }

  notify(
    session: CoapSession,
    payload: Uint8Array,
    acknowledged: (() => void) | null,
  ): DeliveryOutcome {
    const { slot } = session;
    if (!this.columns.isObserving(slot)) return "unsubscribed";
    if (this.#sender.isBusy(slot)) return "blocked";
    this.#lastEtag = (this.#lastEtag + 1) >>> 0;
    const representation = { payload, etag: this.#lastEtag };
    const reply = contentReply(representation, null, this.columns.nextSequence(slot));
    assert(!("fault" in reply), "the first block of a message is always there");
    const messageId = this.columns.nextMessageId(slot);
    const header = { type: MessageType.Confirmable, messageId };
    const answered = { ...this.columns.registration(slot), keyRow: session.keyRow };
    const bytes = this.#sealer.seal(answered, reply, header);
    if (bytes === null) return "blocked";
    const source = this.columns.sourceOf(slot);
    const settled = (outcome: "acknowledged" | "reset" | "timed-out"): void => {
      if (outcome === "timed-out") return session.close("slow");
      this.#context.presence.seen(slot);
      if (outcome === "acknowledged") acknowledged?.();
      // RFC 7641 §3.6: the device does not want to observe any more.
      else this.columns.stopObserving(slot);
    };
    if (!this.#sender.send({ slot, source, messageId, bytes, settled })) return "blocked";
    session.representation = representation;
    return "sent";
  }

  /** Confirmable where the request was (RFC 7252 §5.2.2). */
  answerLater({ slot }: CoapSession, request: HeldRequest, code: number): void {
    const { source, type } = request;
    const messageId = this.columns.nextMessageId(slot);
    const bytes = this.#sealer.seal(request, plainReply(code), { type, messageId });
    if (bytes === null) return;
    this.#context.metrics.coapAnswered(code);
    if (type !== MessageType.Confirmable) return this.#transmit(bytes, source);
    // A device with too much under way is not told, and asks again: its report is safe anyway.
    this.#sender.send({ slot, source, messageId, bytes, settled: () => {} });
  }

  end(session: CoapSession, cause: CloseCause): void {
    const { slot } = session;
    const { table, lifecycle, metrics, clock } = this.#context;
    const device = table.device(slot);
    this.#sender.forget(slot);
    const lastWord = LAST_WORDS[cause];
    if (lastWord !== undefined && this.columns.isObserving(slot)) {
      const answered = { ...this.columns.registration(slot), keyRow: session.keyRow };
      const messageId = this.columns.nextMessageId(slot);
      const header = { type: MessageType.NonConfirmable, messageId };
      const bytes = this.#sealer.seal(answered, lastWord, header);
      if (bytes !== null) this.#transmit(bytes, this.columns.sourceOf(slot));
    }
    if (cause === "refused" || cause === "retired") {
      this.#refused.add(device, clock.monotonicMs());
    }
    metrics.connectionClosed(cause);
    lifecycle.end(slot, cause);
    this.#credentials.sessionEnded(session.keyRow, device);
  }
}
