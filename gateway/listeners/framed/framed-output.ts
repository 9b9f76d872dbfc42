// SPDX-License-Identifier: Apache-2.0
/**
 * The half of a connection that speaks: what is written, what happens when the device does not take
 * it, and how the connection ends: with a goodbye, whatever the cause. `FramedConnection` is one
 * object with it.
 *
 * Limit: 64 KiB of output; half of it is kept for answers.
 */
import type { GatewayFrame } from "../../../protocol/gen/muster/v1/framed_codec.ts";
import { encodeFrame, gatewayFrames, NO_GATEWAY_FRAME } from "../../../protocol/framed/frames.ts";
import type { PeerFacts } from "../../peer-certificate.ts";
import type { CloseCause } from "../../sessions/device-link.ts";
import type { SlowConsumer } from "../../sessions/slow-consumers.ts";
import { connectionFacts } from "../mqtt/connection-peer.ts";
import { BLOCKED_OUTPUT_BYTES, MAX_OUTPUT_BYTES } from "../mqtt/connection-output.ts";
import type { MqttTransport } from "../mqtt/transport.ts";
import { hostOf } from "../proxy/proxied-sources.ts";
import type { FramedContext } from "./framed-context.ts";
import { GOODBYE_REASONS } from "./goodbye-reasons.ts";

/** How long a device may take to read our last word. */
const CLOSING_TIMEOUT_MS = 5_000;

export const State = { Waiting: 0, Opening: 1, Open: 2, Closed: 3 } as const;

/** One for all: a frame is written at a time. */
const frames = gatewayFrames();

export interface FramedConnectionOptions {
  readonly context: FramedContext;
  readonly transport: MqttTransport;
  /** Whom the certificate names; null: nobody. */
  readonly peer: PeerFacts | null;
}

export class FramedOutput implements SlowConsumer {
  protected readonly context: FramedContext;
  protected readonly transport: MqttTransport;
  protected readonly peer: PeerFacts | null;
  slot = -1;
  protected state: (typeof State)[keyof typeof State] = State.Waiting;
  protected isBlocked = false;

  constructor(options: FramedConnectionOptions) {
    this.context = options.context;
    this.transport = options.transport;
    this.peer = options.peer;
  }

  /** Bytes that the device has not taken. */
  get outputBytes(): number {
    return this.transport.writableLength;
  }

  /** The output is empty again (asked by `SlowConsumers`). */
  drained(): void {
    this.isBlocked = false;
    this.roomAgain();
  }

  /** The transport is gone. */
  ended(): void {
    if (this.state !== State.Closed) this.#finish("closed");
  }

  /** `server`: `HOST:PORT` of the gateway to go to. */
  close(cause: CloseCause, detail = "", server = ""): void {
    if (this.state === State.Closed) return;
    this.sayGoodbye(GOODBYE_REASONS[cause], detail, server);
    this.#finish(cause);
  }

  /** The last frame, of a connection that has no slot too. */
  protected sayGoodbye(reason: number, detail: string, server = ""): void {
    const goodbye = { reason, detail, server };
    this.transport.write(encodeFrame(frames, { ...NO_GATEWAY_FRAME, goodbye }));
  }

  /** The device broke a rule: say which, and close. */
  protected violate(fault: string): void {
    const { logger, suspects } = this.context;
    // A storm of faults would be a storm of lines: those of suspects are for who looks for them.
    const level = suspects.has(this.#host()) ? "debug" : "info";
    logger[level]("connection closed for a protocol fault", { reason: fault, ...this.who() });
    this.close("protocol", fault);
  }

  protected write(kind: Partial<GatewayFrame>): void {
    if (this.state === State.Closed) return;
    this.transport.write(encodeFrame(frames, { ...NO_GATEWAY_FRAME, ...kind }));
    const waitingBytes = this.outputBytes;
    // A device that sends but does not read would make us keep every answer.
    if (waitingBytes > MAX_OUTPUT_BYTES) return this.close("slow");
    if (this.isBlocked || waitingBytes <= BLOCKED_OUTPUT_BYTES) return;
    this.isBlocked = true;
    this.context.slowConsumers.add(this);
  }

  /** Deliveries may go on. */
  protected roomAgain(): void {
    if (this.state === State.Open) this.context.lifecycle.ready(this.slot);
  }

  /** Closes when what was written is out, or when that does not go on. */
  protected endTransport(): void {
    this.transport.setTimeout(CLOSING_TIMEOUT_MS);
    this.transport.destroySoon();
  }

  /** For a log. */
  protected who(): { readonly address: string; readonly device?: string } {
    const { sources, table } = this.context;
    const isOpen = this.slot !== -1 && table.isOpen(this.slot);
    const device = isOpen ? table.device(this.slot) : null;
    return connectionFacts(sources.addressOf(this.transport), this.peer, device);
  }

  #finish(cause: CloseCause): void {
    this.state = State.Closed;
    if (cause === "slow") this.transport.destroy();
    else this.endTransport();
    if (this.isBlocked) this.context.slowConsumers.remove(this);
    if (cause === "protocol") this.context.suspects.fault(this.#host());
    this.context.metrics.connectionClosed(cause);
    this.context.lifecycle.end(this.slot, cause);
  }

  #host(): string {
    return hostOf(this.context.sources.addressOf(this.transport));
  }
}
