// SPDX-License-Identifier: Apache-2.0
/**
 * The half of a connection that speaks: what is written, what happens when the device does not take
 * it, and how the connection ends. The layers above it (`ConnectionDeliveries`, `ConnectionIntake`,
 * `MqttConnection`) are one object with it: an idle connection has no other.
 *
 * Limit: 64 KiB of output; half of it is kept for answers.
 */
import { encodeDisconnect } from "../../../protocol/mqtt/encoder.ts";
import type { ProtocolLevel } from "../../../protocol/mqtt/packet-type.ts";
import { type ReasonCode, reasonCodeName } from "../../../protocol/mqtt/reason-codes.ts";
import type { CloseCause } from "../../sessions/device-link.ts";
import { hostOf } from "../proxy/proxied-sources.ts";
import { CLOSE_CODES } from "./close-codes.ts";
import { connectionFacts } from "./connection-peer.ts";
import type { ConnectionFacts, ConnectionPeer } from "./connection-peer.ts";
import type { MqttContext } from "./mqtt-context.ts";
import type { MqttTransport } from "./transport.ts";

/** Output that waits in the process; four offers of the largest size. */
export const MAX_OUTPUT_BYTES = 65_536;
/** From here on deliveries wait, so that answers still fit. */
export const BLOCKED_OUTPUT_BYTES: number = MAX_OUTPUT_BYTES / 2;
/** How long a client may take to read our last word. */
const CLOSING_TIMEOUT_MS = 5_000;

export const State = { Waiting: 0, Open: 1, Closed: 2 } as const;

export interface MqttConnectionOptions {
  readonly context: MqttContext;
  readonly transport: MqttTransport;
  readonly peer: ConnectionPeer;
}

export class ConnectionOutput {
  protected readonly context: MqttContext;
  protected readonly transport: MqttTransport;
  protected readonly peer: ConnectionPeer;
  slot = -1;
  protected state: (typeof State)[keyof typeof State] = State.Waiting;
  protected level: ProtocolLevel = 4;
  protected isBlocked = false;

  constructor(options: MqttConnectionOptions) {
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
    if (this.state === State.Open) this.roomAgain();
  }

  /** The transport is gone. */
  ended(): void {
    this.close("closed");
  }

  /** The transport goes on without it: what comes is not MQTT. */
  giveUp(): void {
    if (this.state === State.Closed) return;
    this.state = State.Closed;
    this.context.lifecycle.end(this.slot, "closed");
  }

  close(cause: CloseCause): void {
    if (this.state === State.Closed) return;
    const reasonCode = CLOSE_CODES[cause];
    if (reasonCode !== null) this.#sayDisconnect(reasonCode);
    this.finish(cause);
  }

  /** The client broke a rule: say which, where the level lets us, and close. */
  protected violate(reasonCode: ReasonCode, fault: string, clause?: string): void {
    this.logFault("connection closed for a protocol fault", {
      reason: fault,
      reasonCode: reasonCodeName(reasonCode),
      ...(clause === undefined ? {} : { clause }),
    });
    this.#sayDisconnect(reasonCode);
    this.finish("protocol");
  }

  /** Deliveries may go on. */
  protected roomAgain(): void {
    this.context.lifecycle.ready(this.slot);
  }

  /** The connection ends, and nobody has heard of it yet. */
  protected ending(_cause: CloseCause): void {}

  protected write(bytes: Buffer): void {
    if (this.state === State.Closed) return;
    this.transport.write(bytes);
    const waitingBytes = this.outputBytes;
    // A client that sends but does not read would make us keep every answer.
    if (waitingBytes > MAX_OUTPUT_BYTES) return this.close("slow");
    if (this.isBlocked || waitingBytes <= BLOCKED_OUTPUT_BYTES) return;
    this.isBlocked = true;
    this.context.slowConsumers.add(this);
  }

  protected finish(cause: CloseCause): void {
    if (this.state === State.Closed) return;
    this.state = State.Closed;
    if (cause === "slow") this.transport.destroy();
    else {
      this.transport.setTimeout(CLOSING_TIMEOUT_MS);
      this.transport.destroySoon();
    }
    if (this.isBlocked) this.context.slowConsumers.remove(this);
    if (cause === "protocol") this.context.suspects.fault(this.#host());
    this.context.metrics.connectionClosed(cause);
    this.ending(cause);
    this.context.lifecycle.end(this.slot, cause);
  }

  /** For a log. */
  protected who(): ConnectionFacts {
    const { sources, table } = this.context;
    const address = sources.addressOf(this.transport);
    const device = table.isOpen(this.slot) ? table.device(this.slot) : null;
    return connectionFacts(address, this.peer, device);
  }

  /** A storm of faults would be a storm of lines: those of suspects are for who looks for them. */
  protected logFault(message: string, facts: { readonly [name: string]: string }): void {
    const { logger, suspects } = this.context;
    const level = suspects.has(this.#host()) ? "debug" : "info";
    logger[level](message, { ...facts, ...this.who() });
  }

  #host(): string {
    return hostOf(this.context.sources.addressOf(this.transport));
  }

  /** At level 4 a server has no DISCONNECT; before CONNECT there is nobody to tell. */
  #sayDisconnect(reasonCode: ReasonCode): void {
    if (this.state !== State.Open || this.level !== 5) return;
    this.transport.write(encodeDisconnect(5, { reasonCode }));
  }
}
