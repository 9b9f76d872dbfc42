// SPDX-License-Identifier: Apache-2.0
/**
 * Sessions without a connection: what of a device's MQTT session is kept until it is back or the
 * session expires. In memory, in this process: a gateway that ends, and another gateway or worker,
 * know nothing of it, and MQTT tells the client so (Session Present 0).
 *
 *     connected → kept (connection lost) → connected again | expired | discarded (clean start)
 *
 * While a session is held (the first 30 s, or less where it expires before), the device's lease
 * entries stay at this gateway, and new ones may come: they are its queue. Then they go back to the
 * center, which offers them wherever the device connects. So nothing is offered out of here that
 * the center does not know to be here, and a stop finds all of it.
 *
 * A will with a delay is kept with its session and due when the delay or the session is over; a
 * device that takes its session up before that has no will any more [MQTT-3.1.3-9].
 *
 * Limits: as many sessions as the gateway has places for connections (the oldest goes first); of
 * each, 32 deliveries and 32 packet ids, for there are no more under way in a connection.
 */
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { KeptDelivery } from "./kept-delivery.ts";
import type { KeptWill } from "./kept-will.ts";

/** Usually a connection is back in seconds; a lease lives as long (`RESTORED_WAIT_MS`). */
export const HOLD_MS = 30_000;
/** Sessions expire in seconds: looking more often would find nothing more. */
const CHECK_INTERVAL_MS = 1_000;

export interface KeptSession {
  /** Of the session table, for leases that come while it is held; 0: never known. */
  readonly ordinal: number;
  /** The subscription bits of the session's state word. */
  readonly subscriptions: number;
  /** Packet ids of QoS 2 between PUBREC and PUBREL. */
  readonly unreleased: readonly number[];
  /** Sent and not acknowledged, oldest first. */
  readonly deliveries: readonly KeptDelivery[];
  /** Of the last delivery. */
  readonly lastPacketId: number;
  /** Due if the device is not back in time. */
  readonly will: KeptWill | null;
}

export interface KeptListener {
  /** Told once when a session is not held any more and its device is not back. */
  holdEnded(device: string): void;
  /** `ordinal` 0: it was never known. */
  willDue(device: string, ordinal: number, will: KeptWill): void;
}

interface Entry {
  readonly session: KeptSession;
  /** Monotonic. */
  readonly expiresAtMs: number;
  /** Monotonic; Infinity: not held any more. */
  heldUntilMs: number;
  /** Monotonic; Infinity: there is no will, or it was due. */
  willAtMs: number;
}

export interface KeptSessionsOptions {
  readonly clock: Clock;
  readonly maxSessions: number;
}

export class KeptSessions {
  readonly #clock: Clock;
  readonly #maxSessions: number;
  readonly #entries = new Map<string, Entry>();
  /** Of those that are held. */
  readonly #deviceByOrdinal = new Map<number, string>();
  #listener: KeptListener = { holdEnded: () => {}, willDue: () => {} };
  #hasEnded = false;
  #cancelTimer: CancelTimer | null = null;

  constructor(options: KeptSessionsOptions) {
    this.#clock = options.clock;
    this.#maxSessions = options.maxSessions;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** Once, before the first connection. */
  observe(listener: KeptListener): void {
    this.#listener = listener;
  }

  /** The gateway ends: nobody comes back to it, and nothing is kept from now on. */
  end(): void {
    this.#hasEnded = true;
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    for (const device of this.#entries.keys()) this.discard(device);
  }

  /** `device`: `tenant/device`. Call it before anybody hears that the connection has ended. */
  keep(device: string, session: KeptSession, expirySeconds: number): void {
    if (this.#hasEnded) return;
    this.discard(device);
    if (this.#entries.size >= this.#maxSessions) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.discard(oldest);
    }
    const nowMs = this.#clock.monotonicMs();
    const expiresAtMs = nowMs + expirySeconds * 1_000;
    const heldUntilMs = Math.min(expiresAtMs, nowMs + HOLD_MS);
    const { will } = session;
    const willAtMs = will === null ? Infinity : nowMs + will.delaySeconds * 1_000;
    this.#entries.set(device, { session, expiresAtMs, heldUntilMs, willAtMs });
    if (session.ordinal !== 0) this.#deviceByOrdinal.set(session.ordinal, device);
    this.#arm();
  }

  /** The session of a device that is back; null: there is none any more. */
  resume(device: string): KeptSession | null {
    const entry = this.#entries.get(device);
    if (entry === undefined) return null;
    if (entry.expiresAtMs <= this.#clock.monotonicMs()) {
      this.discard(device);
      return null;
    }
    this.#entries.delete(device);
    this.#deviceByOrdinal.delete(entry.session.ordinal);
    return entry.session;
  }

  /** Its end: a clean start, or nobody came back. */
  discard(device: string): void {
    const entry = this.#entries.get(device);
    if (entry === undefined) return;
    this.#entries.delete(device);
    this.#execute(device, entry);
    this.#release(device, entry);
  }

  /** True while the device's lease entries are to stay here. */
  isHeld(device: string): boolean {
    return (this.#entries.get(device)?.heldUntilMs ?? Infinity) !== Infinity;
  }

  /** "" when no session that is held has the ordinal. */
  deviceOfOrdinal(ordinal: number): string {
    return this.#deviceByOrdinal.get(ordinal) ?? "";
  }

  #execute(device: string, entry: Entry): void {
    const { will, ordinal } = entry.session;
    if (will === null || entry.willAtMs === Infinity) return;
    entry.willAtMs = Infinity;
    this.#listener.willDue(device, ordinal, will);
  }

  #release(device: string, entry: Entry): void {
    if (entry.heldUntilMs === Infinity) return;
    entry.heldUntilMs = Infinity;
    this.#deviceByOrdinal.delete(entry.session.ordinal);
    this.#listener.holdEnded(device);
  }

  /** One timer for all of them, and none while there is nothing to look at. */
  #arm(): void {
    this.#cancelTimer ??= this.#clock.setTimer(CHECK_INTERVAL_MS, () => this.#check());
  }

  #check(): void {
    this.#cancelTimer = null;
    const nowMs = this.#clock.monotonicMs();
    for (const [device, entry] of this.#entries) {
      if (entry.expiresAtMs <= nowMs) this.discard(device);
      else {
        if (entry.willAtMs <= nowMs) this.#execute(device, entry);
        if (entry.heldUntilMs <= nowMs) this.#release(device, entry);
      }
    }
    if (this.#entries.size > 0) this.#arm();
  }
}
