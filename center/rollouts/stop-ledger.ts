// SPDX-License-Identifier: Apache-2.0
/**
 * Keeps how far the latest stop, pause or hold of each rollout has got: gateways say it, people
 * read it. It decides nothing. Written beside the loop, as often as the Store takes it; a center
 * that starts again shows what was written and measures nothing more of that stop.
 *
 * Limit: the 1,000 latest stops stay in memory; of older ones nothing more is taken.
 */
import { toMusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Json, Store } from "../../ports/store.ts";
import type { StopOrigin } from "./rollout-loop.ts";
import {
  heard,
  isComplete,
  readStopReach,
  unheardGateway,
  type StopCounts,
  type StopReach,
} from "./stop-reach.ts";

const MAX_STOPS = 1_000;

export interface StopMetrics {
  gatewayInformed(seconds: number): void;
  devicesInformed(seconds: number): void;
}

export interface StopAcknowledged {
  readonly rollout: number;
  readonly stopEpoch: number;
  readonly counts: StopCounts | undefined;
}

export interface StopLedgerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: StopMetrics;
  readonly offerLifetimeMs: number;
  /** Watchers of this rollout read it again. */
  readonly changed: (key: string) => void;
  readonly signal: AbortSignal;
}

interface Entry {
  readonly key: string;
  /** Monotonic. */
  readonly sinceMs: number;
  reach: StopReach;
  isStored: boolean;
}

export class StopLedger {
  private readonly options: StopLedgerOptions;
  private readonly entries = new Map<number, Entry>();
  private storing: Promise<void> | null = null;

  constructor(options: StopLedgerOptions) {
    this.options = options;
  }

  /**
   * An order was given: `told` to these gateways; `cutOff`: those that may still hold a lease, and
   * until when (wall time).
   */
  raised(origin: StopOrigin, told: readonly string[], cutOff: ReadonlyMap<string, number>): void {
    const { clock, offerLifetimeMs } = this.options;
    const { rollout, key, stopEpoch, notConnected, sinceMs } = origin;
    const atMs = clock.wallMs();
    const away = [...cutOff].filter(([gateway]) => !told.includes(gateway));
    const gateways = [
      ...told.map((gateway) => unheardGateway(gateway, 0)),
      ...away.map(([gateway, leasesEndAtMs]) => unheardGateway(gateway, leasesEndAtMs)),
    ].sort((one, other) => (one.gateway < other.gateway ? -1 : 1));
    const offersEndAtMs = atMs + offerLifetimeMs;
    const reach = { stopEpoch, atMs, notConnected, offersEndAtMs, gateways };
    this.entries.delete(rollout);
    this.entries.set(rollout, { key, sinceMs, reach, isStored: false });
    const [oldest] = this.entries.keys();
    if (this.entries.size > MAX_STOPS && oldest !== undefined) this.entries.delete(oldest);
    this.changed(key);
  }

  /** A gateway has the order on its disk, or says later how its devices took it. */
  acknowledged(gateway: string, { rollout, stopEpoch, counts }: StopAcknowledged): void {
    const entry = this.entries.get(rollout);
    if (entry?.reach.stopEpoch !== stopEpoch) return;
    const index = entry.reach.gateways.findIndex((reach) => reach.gateway === gateway);
    // One that came after the order: it is told at its hello, and has no lease of before.
    const before = entry.reach.gateways[index];
    if (before === undefined) return;
    const { clock, metrics } = this.options;
    const after = heard(before, counts, clock.monotonicMs() - entry.sinceMs);
    if (before.informedAfterMs === null) {
      metrics.gatewayInformed((after.informedAfterMs ?? 0) / 1_000);
    }
    const { devicesAfterMs } = after;
    if (isComplete(after) && !isComplete(before) && devicesAfterMs !== null) {
      metrics.devicesInformed(devicesAfterMs / 1_000);
    }
    entry.reach = { ...entry.reach, gateways: entry.reach.gateways.with(index, after) };
    entry.isStored = false;
    this.changed(entry.key);
  }

  /** Of the rollout's latest stop; null: it never had one. */
  async read(rollout: number, key: string, signal: AbortSignal): Promise<StopReach | null> {
    const entry = this.entries.get(rollout);
    if (entry !== undefined) return entry.reach;
    const document = await this.options.store.getDocument("stop-reach", key, { signal });
    return document === null ? null : readStopReach(document);
  }

  /** Resolves when everything that was heard is stored, or could not be. */
  async settled(): Promise<void> {
    await this.storing;
  }

  private changed(key: string): void {
    this.options.changed(key);
    this.storing ??= this.store().finally(() => {
      this.storing = null;
    });
  }

  private async store(): Promise<void> {
    for (;;) {
      const entry = [...this.entries.values()].find(({ isStored }) => !isStored);
      if (entry === undefined) return;
      entry.isStored = true;
      try {
        await this.write(entry);
      } catch (cause) {
        if (this.options.signal.aborted) return;
        const error = toMusterError(cause, "storing how far a stop has got");
        this.options.logger.warn("how far a stop has got is not stored", { key: entry.key, error });
      }
    }
  }

  private async write({ key, reach }: Entry): Promise<void> {
    const { store, signal } = this.options;
    const before = await store.getDocument("stop-reach", key, { signal });
    const expectedRevision = before?.revision ?? 0;
    const value = reach as unknown as Json;
    // Nobody else writes it: there is no conflict.
    const documents = [{ kind: "stop-reach" as const, key, expectedRevision, value }];
    await store.commit({ documents }, { signal });
  }
}
