// SPDX-License-Identifier: Apache-2.0
/**
 * The life of a session, told to everyone who keeps something for it.
 *
 *     connect → open → identified (ordinal known) → granted (fence known) → end
 *
 * `connect` starts the deadline for CONNECT, `open` the watch for silence. A device that opens a
 * second session ends its first one, before anybody hears of the new one. The center's answer may
 * come long after `open`, or not at all while it is away: until then the session works, its reports
 * wait. `end` may come at any point and comes once.
 */
import assert from "node:assert/strict";
import { faultPoint } from "../../runtime/faults.ts";
import type { Presence, SilenceListener } from "../presence/presence.ts";
import type { CloseCause, DeviceLink } from "./device-link.ts";
import type { SessionFacts, SessionTable } from "./session-table.ts";

/** Called in the order in which the observers were given; none may throw. */
export interface SessionObserver {
  sessionOpened(slot: number): void;
  /** The ordinal is known, for the first time or again. */
  sessionIdentified(slot: number): void;
  /** A delivery that was refused may now succeed: subscribed, drained, or acknowledged. */
  sessionReady(slot: number): void;
  /** The session's columns can still be read; its link takes nothing any more. */
  sessionClosed(slot: number, cause: CloseCause): void;
}

export interface SessionLifecycleOptions {
  readonly table: SessionTable;
  readonly presence: Presence;
  /** From the connection to an accepted CONNECT, ms. */
  readonly connectDeadlineMs: number;
  /** Longest silence of an open session, ms. */
  readonly silenceLimitMs: number;
}

export class SessionLifecycle implements SilenceListener {
  readonly #table: SessionTable;
  readonly #presence: Presence;
  readonly #connectDeadlineMs: number;
  readonly #silenceLimitMs: number;
  #observers: readonly SessionObserver[] = [];

  constructor(options: SessionLifecycleOptions) {
    this.#table = options.table;
    this.#presence = options.presence;
    this.#connectDeadlineMs = options.connectDeadlineMs;
    this.#silenceLimitMs = options.silenceLimitMs;
  }

  /** Once, before the first connection. */
  observe(observers: readonly SessionObserver[]): void {
    this.#observers = observers;
  }

  /** The slot of a new connection; -1 when the gateway is full. */
  connect(link: DeviceLink): number {
    const slot = this.#table.take(link);
    if (slot !== -1) this.#presence.watch(slot, this.#connectDeadlineMs);
    return slot;
  }

  open(slot: number, facts: SessionFacts): void {
    const older = this.#table.open(slot, facts);
    if (older !== -1) this.#table.link(older).close("taken-over");
    // A server closes after one and a half keep alives [MQTT-3.1.2-22], presence may do it sooner.
    const keepAliveMs = facts.keepAliveSeconds * 1_500;
    const limitMs = keepAliveMs === 0 ? Infinity : keepAliveMs;
    this.#presence.watch(slot, Math.min(limitMs, this.#silenceLimitMs));
    faultPoint("gateway.session.opened");
    for (const observer of this.#observers) observer.sessionOpened(slot);
  }

  /** The device's ordinal is known from elsewhere than a grant (a lease kept over a restart). */
  identify(slot: number, ordinal: number): void {
    if (this.#table.ordinal[slot] === ordinal) return;
    this.#table.identify(slot, ordinal);
    for (const observer of this.#observers) observer.sessionIdentified(slot);
  }

  /** The center granted the session. */
  grant(slot: number, ordinal: number, fence: number): void {
    this.#table.grant(slot, ordinal, fence);
    faultPoint("gateway.session.granted");
    for (const observer of this.#observers) observer.sessionIdentified(slot);
  }

  ready(slot: number): void {
    if (!this.#table.isOpen(slot)) return;
    for (const observer of this.#observers) observer.sessionReady(slot);
  }

  /** Presence: no packet within the limit, or no CONNECT within its deadline. */
  slotSilent(slot: number): void {
    this.#table.link(slot).close(this.#table.isOpen(slot) ? "silent" : "connect-timeout");
  }

  /** The connection is over; the link calls it once. */
  end(slot: number, cause: CloseCause): void {
    assert(this.#table.isTaken(slot), "a connection ends once");
    this.#presence.forget(slot);
    if (this.#table.isOpen(slot)) {
      for (const observer of this.#observers) observer.sessionClosed(slot, cause);
    }
    this.#table.release(slot);
  }
}
