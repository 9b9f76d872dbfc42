// SPDX-License-Identifier: Apache-2.0
/**
 * The half of a connection that speaks, whatever it speaks: what is written, what happens when the
 * device does not take it, and how the connection ends. The layers above it are one object with it:
 * an idle connection has no other.
 *
 * Limit: 64 KiB of output; half of it is kept for answers.
 */
import type { CloseCause } from "../sessions/device-link.ts";
import type { SessionLifecycle } from "../sessions/session-lifecycle.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import type { SlowConsumer, SlowConsumers } from "../sessions/slow-consumers.ts";
import { connectionFacts, type ConnectionFacts, type ConnectionPeer } from "./connection-peer.ts";
import type { ListenerContext } from "./device-listener.ts";
import { hostOf } from "./proxy/proxied-sources.ts";
import type { StreamTransport } from "./stream-transport.ts";

/** Output that waits in the process; four offers of the largest size. */
export const MAX_OUTPUT_BYTES = 65_536;
/** From here on deliveries wait, so that answers still fit. */
export const BLOCKED_OUTPUT_BYTES: number = MAX_OUTPUT_BYTES / 2;
/** How long a device may take to read our last word. */
const CLOSING_TIMEOUT_MS = 5_000;

/** `Opening`: there is a session, and nothing is delivered yet; not every protocol has it. */
export const State = { Waiting: 0, Opening: 1, Open: 2, Closed: 3 } as const;

/** What such a connection needs of the gateway. */
export interface StreamContext extends ListenerContext {
  readonly table: SessionTable;
  readonly lifecycle: SessionLifecycle;
  readonly slowConsumers: SlowConsumers;
}

export interface StreamOptions<Context, Peer> {
  readonly context: Context;
  readonly transport: StreamTransport;
  readonly peer: Peer;
}

export abstract class StreamOutput<
  Context extends StreamContext,
  Peer extends ConnectionPeer,
> implements SlowConsumer {
  protected readonly context: Context;
  protected readonly transport: StreamTransport;
  protected readonly peer: Peer;
  slot = -1;
  protected state: (typeof State)[keyof typeof State] = State.Waiting;
  protected isBlocked = false;

  constructor(options: StreamOptions<Context, Peer>) {
    this.context = options.context;
    this.transport = options.transport;
    this.peer = options.peer;
  }

  /** Says why, where the protocol can, and ends the session. */
  abstract close(cause: CloseCause): void;

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
    this.finish("closed");
  }

  /** Deliveries may go on. */
  protected roomAgain(): void {
    if (this.state === State.Open) this.context.lifecycle.ready(this.slot);
  }

  /** The connection ends, and nobody has heard of it yet. */
  protected ending(_cause: CloseCause): void {}

  protected write(bytes: Buffer): void {
    if (this.state === State.Closed) return;
    this.transport.write(bytes);
    const waitingBytes = this.outputBytes;
    // A device that sends but does not read would make us keep every answer.
    if (waitingBytes > MAX_OUTPUT_BYTES) return this.close("slow");
    if (this.isBlocked || waitingBytes <= BLOCKED_OUTPUT_BYTES) return;
    this.isBlocked = true;
    this.context.slowConsumers.add(this);
  }

  protected finish(cause: CloseCause): void {
    if (this.state === State.Closed) return;
    this.state = State.Closed;
    if (cause === "slow") this.transport.destroy();
    else this.endTransport();
    if (this.isBlocked) this.context.slowConsumers.remove(this);
    if (cause === "protocol") this.context.suspects.fault(this.#host());
    this.context.metrics.connectionClosed(cause);
    this.ending(cause);
    this.context.lifecycle.end(this.slot, cause);
  }

  /** Closes when what was written is out, or when that does not go on. */
  protected endTransport(): void {
    this.transport.setTimeout(CLOSING_TIMEOUT_MS);
    this.transport.destroySoon();
  }

  /** For a log. */
  protected who(): ConnectionFacts {
    const { sources, table } = this.context;
    const isOpen = this.slot !== -1 && table.isOpen(this.slot);
    const device = isOpen ? table.device(this.slot) : null;
    return connectionFacts(sources.addressOf(this.transport), this.peer, device);
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
}
