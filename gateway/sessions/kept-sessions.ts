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
 * Limits: as many sessions as the gateway has places for connections (the oldest goes first); of
 * each, 32 deliveries and 32 packet ids, for there are no more under way in a connection.
 */
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { KeptDelivery } from "./kept-delivery.ts";

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
}

/** Told once when a session is not held any more and its device is not back. */
export type HoldListener = (device: string) => void;

interface Entry {
  readonly session: KeptSession;
  /** Monotonic. */
  readonly expiresAtMs: number;
  /** Monotonic; Infinity: not held any more. */
  heldUntilMs: number;
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
  #listener: HoldListener = () => {};
  #cancelTimer: CancelTimer | null = null;

  constructor(options: KeptSessionsOptions) {
    this.#clock = options.clock;
    this.#maxSessions = options.maxSessions;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** Once, before the first connection. */
  observe(listener: HoldListener): void {
    this.#listener = listener;
  }

  /** The gateway ends: nobody comes back to it. */
  end(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
    for (const device of this.#entries.keys()) this.discard(device);
  }

  /** `device`: `tenant/device`. Call it before anybody hears that the connection has ended. */
  keep(device: string, session: KeptSession, expirySeconds: number): void {
    this.discard(device);
    if (this.#entries.size >= this.#maxSessions) {
      const [oldest] = this.#entries.keys();
      if (oldest !== undefined) this.discard(oldest);
    }
    const nowMs = this.#clock.monotonicMs();
    const expiresAtMs = nowMs + expirySeconds * 1_000;
    const heldUntilMs = Math.min(expiresAtMs, nowMs + HOLD_MS);
    this.#entries.set(device, { session, expiresAtMs, heldUntilMs });
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

  #release(device: string, entry: Entry): void {
    if (entry.heldUntilMs === Infinity) return;
    entry.heldUntilMs = Infinity;
    this.#deviceByOrdinal.delete(entry.session.ordinal);
    this.#listener(device);
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
      else if (entry.heldUntilMs <= nowMs) this.#release(device, entry);
    }
    if (this.#entries.size > 0) this.#arm();
  }
}
