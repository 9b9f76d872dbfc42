// SPDX-License-Identifier: Apache-2.0
/**
 * Sends what a device's lease entries call for: the offer, or its withdrawal. Called whenever one
 * of them may go out (a lease came, the device subscribed, its window has room), it sends as much
 * as goes and leaves the rest to the next call. One device never waits for another.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { WithdrawMessage } from "../../protocol/device/offer.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import { EntryState, type EntryRef, type ReturnedEntries } from "./lease.ts";
import type { LeaseTable } from "./lease-table.ts";

export interface OfferDispatcherOptions {
  readonly table: SessionTable;
  readonly leases: LeaseTable;
  readonly clock: Clock;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
}

export class OfferDispatcher {
  readonly #table: SessionTable;
  readonly #leases: LeaseTable;
  readonly #clock: Clock;
  readonly #metrics: GatewayMetrics;
  readonly #logger: Logger;

  constructor(options: OfferDispatcherOptions) {
    this.#table = options.table;
    this.#leases = options.leases;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#logger = options.logger;
  }

  /**
   * Sends what can be sent to a device; returns the entries that it can never take. `confirmed` is
   * called when the device has acknowledged a withdrawal.
   */
  dispatch(device: string, confirmed: () => void): readonly ReturnedEntries[] {
    const slot = this.#table.slotOfDevice(device);
    const entries = this.#leases.entriesOf(device);
    if (slot === -1 || entries.length === 0) return [];
    const impossible: EntryRef[] = [];
    for (const entry of entries) {
      const state = entry.lease.states[entry.index];
      if (state === EntryState.Withdrawing) this.#withdraw(slot, entry, confirmed);
      else if (this.#leases.mayOffer(entry, this.#clock.monotonicMs())) {
        if (this.#offer(slot, entry) === "too-large") impossible.push(entry);
      }
      // A delivery may have cut the connection: its entries went back with it.
      if (!this.#table.isOpen(slot)) return [];
    }
    if (impossible.length === 0) return [];
    this.#metrics.offersEnded("too_large", impossible.length);
    this.#logger.warn("offer is larger than the device takes", { device });
    return this.#leases.giveBack(impossible);
  }

  #offer(slot: number, entry: EntryRef): "too-large" | "other" {
    const offer = entry.lease.content.offers[entry.index] as Uint8Array;
    // Before the delivery: if that cuts the connection, the device may have the offer.
    this.#leases.setState(entry, EntryState.Sent);
    const mayRepeat = (): boolean => this.#leases.mayRepeat(entry, this.#clock.monotonicMs());
    const outcome = this.#table.link(slot).deliver("offer", offer, null, mayRepeat);
    if (outcome === "sent") {
      this.#metrics.offersEnded("sent", 1);
      faultPoint("gateway.lease.offered");
      return "other";
    }
    this.#leases.setState(entry, EntryState.Waiting);
    return outcome === "too-large" ? "too-large" : "other";
  }

  #withdraw(slot: number, entry: EntryRef, confirmed: () => void): void {
    const { content } = entry.lease;
    const generation = content.generations[entry.index] as number;
    const message: WithdrawMessage = { withdraw: { rollout: content.rollout, generation } };
    const payload = Buffer.from(JSON.stringify(message));
    const acknowledged = (): void => {
      this.#leases.setState(entry, EntryState.Confirmed);
      confirmed();
    };
    // A withdrawal is never too late.
    const link = this.#table.link(slot);
    const outcome = link.deliver("offer", payload, acknowledged, () => true);
    if (outcome !== "sent") return;
    this.#leases.setState(entry, EntryState.Withdrawn);
    this.#metrics.offersEnded("withdrawn", 1);
  }
}
