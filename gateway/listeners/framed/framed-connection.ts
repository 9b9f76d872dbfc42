// SPDX-License-Identifier: Apache-2.0
/**
 * One connection of framed TCP, without a socket: bytes in through `receive`, frames out through
 * the transport. It decodes and answers; what a message means is the pipeline's, as for MQTT.
 *
 *     waiting (for a hello) → opening → open → closed
 *
 * - waiting: left by the first frame, by the wheel after 10 s, by a fault.
 * - opening: there is a session, and nothing is delivered before its hello is answered.
 * - open: messages are answered in order, deliveries go out as room allows.
 * - closed: final. Nothing is read or written; the session has been told.
 *
 * Only a whole frame is a sign of life: half of one, however slowly it comes, ends with the
 * silence.
 *
 * Limits: 32 messages each way without an answer, 30 s without a frame or less where presence
 * allows less.
 */
import { FrameDecoder } from "../../../protocol/framed/frame-decoder.ts";
import { deviceFrames, MESSAGE_ID_MAX } from "../../../protocol/framed/frames.ts";
import type { ChannelMessage, DeviceFrame } from "../../../protocol/gen/muster/v1/framed_codec.ts";
import { GoodbyeReason } from "../../../protocol/gen/muster/v1/framed_pb.ts";
import { isFault } from "../../../protocol/codec.ts";
import { UP_CHANNELS, type DownChannel, type UpChannel } from "../../../protocol/device/topics.ts";
import { IntakeResult } from "../../pipeline/intake-result.ts";
import { elsewhere } from "../../admission/redirects.ts";
import { AckQueue } from "../../sessions/ack-queue.ts";
import { DeliveryWindow, MAX_IN_FLIGHT } from "../../sessions/delivery-window.ts";
import type { DeliveryOutcome, DeviceLink } from "../../sessions/device-link.ts";
import { deviceKey } from "../../sessions/session-table.ts";
import { BLOCKED_OUTPUT_BYTES, State } from "../stream-output.ts";
import { FramedOutput } from "./framed-output.ts";

/** Longest time without a whole frame, s. The lifecycle allows one and a half keep alives. */
const READ_TIMEOUT_SECONDS = 30;
const KEEP_ALIVE_SECONDS = READ_TIMEOUT_SECONDS / 1.5;
/** Length, kind, id, and the lengths of these: more than a frame adds to its payload. */
const FRAME_EXTRA_BYTES = 32;
const NO_BYTES = new Uint8Array(0);
/** The answer's reason code: what was wrong is in its sentence. */
const ANSWERED = 0;

/** One for all: a frame is read at a time. */
const frames = deviceFrames();

export class FramedConnection extends FramedOutput implements DeviceLink {
  readonly #decoder = new FrameDecoder({ frames });
  /** Present only while a message waits for its answer. */
  #acks: AckQueue | null = null;
  /** Present from the first delivery on. */
  #window: DeliveryWindow | null = null;

  get certificateSerial(): string {
    return this.peer?.serial ?? "";
  }

  /** Takes a slot; false when there is none, or the certificate is no device's. */
  begin(): boolean {
    if (this.peer?.identity.role !== "device") {
      const fault = "the certificate does not name a device";
      this.context.logger.info("connection refused", { reason: fault, ...this.who() });
      return this.#turnAway(GoodbyeReason.NOT_AUTHORIZED, fault);
    }
    this.slot = this.context.lifecycle.connect(this);
    return this.slot !== -1 || this.#turnAway(GoodbyeReason.FULL, "");
  }

  /** Bytes from the device; the chunk may be reused when this returns. */
  receive(chunk: Uint8Array): void {
    if (this.state === State.Closed) return;
    this.transport.cork();
    this.#decoder.push(chunk);
    let hasFrame = false;
    while (!this.#isClosed()) {
      const frame = this.#decoder.next();
      if (frame === null) break;
      if (isFault(frame)) this.violate(frame.reason);
      else this.#handle(frame);
      hasFrame = true;
    }
    if (hasFrame && !this.#isClosed()) this.context.presence.seen(this.slot);
    this.transport.uncork();
  }

  deliver(
    channel: DownChannel,
    payload: Uint8Array,
    acknowledged: (() => void) | null = null,
  ): DeliveryOutcome {
    if (this.state === State.Closed) return "blocked";
    if (this.state !== State.Open) return "unsubscribed";
    if (payload.length + FRAME_EXTRA_BYTES > BLOCKED_OUTPUT_BYTES) return "too-large";
    this.#window ??= new DeliveryWindow({ receiveMaximum: MAX_IN_FLIGHT });
    if (this.isBlocked || this.#window.isFull) return "blocked";
    // Nothing is repeated on another connection: the bytes need not be held on to.
    const kept = { channel, payload: NO_BYTES, acknowledged, mayRepeat: null };
    this.writeFrame({ [channel]: { id: this.#window.open(kept), payload } });
    return "sent";
  }

  acknowledge(ticket: number): void {
    if (this.state === State.Closed || this.#acks === null) return;
    if (this.#acks.resolve(ticket, ANSWERED)) this.#flushAcks();
  }

  #handle(frame: DeviceFrame): void {
    if (frame.goodbye !== undefined) return this.close("closed");
    if (this.state === State.Waiting) {
      if (frame.hello === undefined) return this.violate("the first frame is no hello");
      return this.#open(frame.hello);
    }
    if (frame.ping !== undefined) return this.writeFrame({ pong: frame.ping });
    if (frame.acknowledgement !== undefined) {
      return this.#deliveryAcknowledged(frame.acknowledgement.id);
    }
    for (const channel of UP_CHANNELS) {
      const message = frame[channel];
      if (message !== undefined) return this.#take(channel, message);
    }
    // A pong, or a kind of a later protocol: a sign of life.
  }

  /** The certificate says who it is; the connection that it may still have ends before. */
  #open(hello: ChannelMessage): void {
    const { table, lifecycle, kept, terms } = this.context;
    const identity = this.peer?.identity;
    if (identity?.role !== "device") return; // `begin` has turned everybody else away.
    const { tenant, device } = identity;
    const key = deviceKey(tenant, device);
    const server = elsewhere(this.context, key, "framed");
    if (server !== null) return this.close("redirected", "another gateway has room", server);
    const older = table.slotOfDevice(key);
    if (older !== -1) table.link(older).close("taken-over");
    // What an MQTT session of the device has kept is over, as with a clean start.
    kept.discard(key);
    this.state = State.Opening;
    const facts = { protocolLevel: 0, keepAliveSeconds: KEEP_ALIVE_SECONDS };
    lifecycle.open(this.slot, { tenant, device, ...facts });
    const limitMs = Math.min(READ_TIMEOUT_SECONDS * 1_000, terms.silenceLimitMs);
    this.writeFrame({ terms: { keepAliveMs: Math.floor((limitMs * 2) / 3) } });
    this.#take("hello", hello);
    if (this.#isClosed()) return;
    this.state = State.Open;
    lifecycle.ready(this.slot);
  }

  #take(channel: UpChannel, { id, payload }: ChannelMessage): void {
    if (id > MESSAGE_ID_MAX) return this.violate(`id ${id} of a message is above 65,535`);
    const { intake } = this.context;
    const bytes = Buffer.from(payload.buffer, payload.byteOffset, payload.length);
    if (id === 0) {
      const result = intake.take(this.slot, channel, bytes, -1);
      return result === IntakeResult.Full ? this.close("held-limit") : undefined;
    }
    const acks = (this.#acks ??= new AckQueue());
    if (acks.has(id)) return this.violate(`message ${id} still waits for its answer`);
    if (acks.isFull) return this.close("held-limit");
    const result = intake.take(this.slot, channel, bytes, acks.nextTicket);
    if (result === IntakeResult.Full) return this.close("held-limit");
    const ticket = acks.hold(id);
    if (result === IntakeResult.Taken) acks.resolve(ticket, ANSWERED);
    if (result === IntakeResult.Malformed) acks.resolve(ticket, ANSWERED, intake.fault);
    this.#flushAcks();
  }

  #flushAcks(): void {
    const acks = this.#acks;
    if (acks === null) return;
    for (let answer = acks.shift(); answer !== -1; answer = acks.shift()) {
      this.writeFrame({ acknowledgement: { id: answer >>> 16, refusal: acks.takeReason() } });
    }
    if (acks.length === 0) this.#acks = null;
  }

  #deliveryAcknowledged(id: number): void {
    const wasFull = this.#window?.isFull === true;
    // An id that is not in flight is harmless, as it is over MQTT.
    if (this.#window?.close(id) === true && wasFull) this.roomAgain();
  }

  #turnAway(reason: GoodbyeReason, detail: string): false {
    this.state = State.Closed;
    this.sayGoodbye(reason, detail);
    this.endTransport();
    return false;
  }

  #isClosed(): boolean {
    return this.state === State.Closed;
  }
}
