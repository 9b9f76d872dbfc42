// SPDX-License-Identifier: Apache-2.0
/**
 * Bandwidth caps of the artifact listener: token buckets. The gateway's own are one for its whole
 * output and one for each device; those of rollouts are one for the gateway, one for each site and
 * one for each device, which all rollouts with a cap there share. A piece may leave when all its
 * buckets have paid for what left before it; a second's worth may leave at once after a pause.
 * Pieces are small and each stream has one waiting, so streams take turns, and a small one does not
 * wait for a large one to end.
 *
 * Each piece pays at its own rollout's rate. So at a place a rollout never moves more than its cap,
 * and all that have a cap there move together no more than the largest of theirs; what has no cap
 * there neither pays nor waits.
 *
 * A device that would wait longer than `BUSY_MS` for its first byte is told to come again instead:
 * clients give a silent connection up after 30 s.
 *
 * Limits: a bucket a device and a site that fetches, forgotten when it is full again.
 */
import type { Bandwidth } from "../../domain/bandwidth.ts";
import { MusterError } from "../../domain/errors.ts";
import { delay, type Clock } from "../../ports/clock.ts";

const BURST_MS = 1_000;
const BUSY_MS = 20_000;
/** Buckets that are full again are looked for when there are this many. */
const BUCKETS_KEPT = 8_192;

/** Where a rollout's caps are counted. */
export type CapPlace = "gateway" | "site" | "device";

export interface PacerOptions {
  readonly clock: Clock;
  /** Bytes a second; null = no cap. */
  readonly gatewayBytesPerSecond: number | null;
  readonly deviceBytesPerSecond: number | null;
  readonly metrics: { capPaid(place: CapPlace, byteCount: number): void };
}

/** Who fetches, and for which rollout. */
export interface Taker {
  /** `tenant/device`. */
  readonly device: string;
  /** 0 = none, or not known. */
  readonly site: number;
  /** Of the rollout; null = it has none. */
  readonly caps: Bandwidth | null;
}

/** A bucket that a piece pays into, at a rate. */
interface Payment {
  readonly bucket: string;
  readonly bytesPerSecond: number;
  readonly place: CapPlace | null;
}

export class Pacer {
  readonly #clock: Clock;
  readonly #gatewayRate: number;
  readonly #deviceRate: number;
  readonly #metrics: PacerOptions["metrics"];
  /** By bucket: when what left so far is paid for, on the monotonic clock. */
  readonly #paidMs = new Map<string, number>();

  constructor(options: PacerOptions) {
    this.#clock = options.clock;
    this.#gatewayRate = options.gatewayBytesPerSecond ?? 0;
    this.#deviceRate = options.deviceBytesPerSecond ?? 0;
    this.#metrics = options.metrics;
  }

  /** Throws `resource_exhausted` when the device had better come again later. */
  checkBusy(taker: Taker): void {
    if (this.#waitMs(this.#paymentsOf(taker)) <= BUSY_MS) return;
    throw new MusterError({
      code: "resource_exhausted",
      message: "the bandwidth is taken: that of the gateway, the site or the rollout",
    });
  }

  /** Resolves when `byteCount` bytes may leave; throws the signal's reason. */
  async take(taker: Taker, byteCount: number, signal: AbortSignal): Promise<void> {
    const payments = this.#paymentsOf(taker);
    const waitMs = this.#waitMs(payments);
    const nowMs = this.#clock.monotonicMs();
    if (this.#paidMs.size >= BUCKETS_KEPT) this.#forgetFull(nowMs);
    for (const { bucket, bytesPerSecond, place } of payments) {
      // A pause saves up a burst, and no more.
      const paidMs = Math.max(this.#paidMs.get(bucket) ?? -Infinity, nowMs - BURST_MS);
      this.#paidMs.set(bucket, paidMs + (byteCount * 1_000) / bytesPerSecond);
      if (place !== null) this.#metrics.capPaid(place, byteCount);
    }
    if (waitMs > 0) await delay(this.#clock, waitMs, signal);
  }

  /** The same bytes, no faster than they may leave. */
  async *pace(
    taker: Taker,
    source: AsyncIterable<Buffer>,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    for await (const piece of source) {
      await this.take(taker, piece.length, signal);
      yield piece;
    }
  }

  #paymentsOf({ device, site, caps }: Taker): Payment[] {
    const own: Payment[] = [
      { bucket: "all", bytesPerSecond: this.#gatewayRate, place: null },
      { bucket: `all to ${device}`, bytesPerSecond: this.#deviceRate, place: null },
    ];
    const rollouts: Payment[] =
      caps === null
        ? []
        : [
            { bucket: "capped", bytesPerSecond: caps.gatewayBytesPerSecond, place: "gateway" },
            {
              bucket: `capped at ${site}`,
              bytesPerSecond: site === 0 ? 0 : caps.siteBytesPerSecond,
              place: "site",
            },
            {
              bucket: `capped to ${device}`,
              bytesPerSecond: caps.deviceBytesPerSecond,
              place: "device",
            },
          ];
    return [...own, ...rollouts].filter(({ bytesPerSecond }) => bytesPerSecond > 0);
  }

  #waitMs(payments: readonly Payment[]): number {
    let paidMs = -Infinity;
    for (const { bucket } of payments) {
      paidMs = Math.max(paidMs, this.#paidMs.get(bucket) ?? -Infinity);
    }
    return Math.max(0, Math.ceil(paidMs - this.#clock.monotonicMs()));
  }

  #forgetFull(nowMs: number): void {
    for (const [bucket, paidMs] of this.#paidMs) {
      if (paidMs <= nowMs - BURST_MS) this.#paidMs.delete(bucket);
    }
  }
}
