// SPDX-License-Identifier: Apache-2.0
/**
 * Bandwidth caps of the artifact listener: a token bucket for the gateway's whole output, and one
 * for each device. A piece may leave when both have paid for what left before it; a second's worth
 * may leave at once after a pause. Pieces are small and each stream has one waiting, so streams
 * take turns, and a small one does not wait for a large one to end.
 *
 * A device that would wait longer than `BUSY_MS` for its first byte is told to come again instead:
 * clients give a silent connection up after 30 s.
 *
 * Limits: a bucket a device that fetches, forgotten when it is full again.
 */
import { delay, type Clock } from "../../ports/clock.ts";
import { MusterError } from "../../domain/errors.ts";

const BURST_MS = 1_000;
const BUSY_MS = 20_000;
/** Buckets that are full again are looked for when there are this many. */
const BUCKETS_KEPT = 4_096;
/** Below it, a piece of 64 KiB would take longer than a connection may be silent. */
export const LEAST_BYTES_PER_SECOND = 16_384;

export interface PacerOptions {
  readonly clock: Clock;
  /** Bytes a second; null = no cap. */
  readonly gatewayBytesPerSecond: number | null;
  readonly deviceBytesPerSecond: number | null;
}

export class Pacer {
  readonly #clock: Clock;
  readonly #gatewayRate: number | null;
  readonly #deviceRate: number | null;
  /** When what left so far is paid for, on the monotonic clock. */
  #gatewayPaidMs: number = -Infinity;
  readonly #devicePaidMs = new Map<string, number>();

  constructor(options: PacerOptions) {
    this.#clock = options.clock;
    this.#gatewayRate = options.gatewayBytesPerSecond;
    this.#deviceRate = options.deviceBytesPerSecond;
  }

  /** Throws `resource_exhausted` when the device had better come again later. */
  checkBusy(device: string): void {
    if (this.#waitMs(device) <= BUSY_MS) return;
    throw new MusterError({
      code: "resource_exhausted",
      message: "the gateway's bandwidth is taken for now",
    });
  }

  /** Resolves when `byteCount` bytes may leave; throws the signal's reason. */
  async take(device: string, byteCount: number, signal: AbortSignal): Promise<void> {
    const waitMs = this.#waitMs(device);
    const nowMs = this.#clock.monotonicMs();
    this.#gatewayPaidMs = paidAfter(this.#gatewayPaidMs, nowMs, byteCount, this.#gatewayRate);
    if (this.#deviceRate !== null) {
      if (this.#devicePaidMs.size >= BUCKETS_KEPT) this.#forgetFull(nowMs);
      const paidMs = this.#devicePaidMs.get(device) ?? -Infinity;
      this.#devicePaidMs.set(device, paidAfter(paidMs, nowMs, byteCount, this.#deviceRate));
    }
    if (waitMs > 0) await delay(this.#clock, waitMs, signal);
  }

  /** The same bytes, no faster than they may leave. */
  async *pace(
    device: string,
    source: AsyncIterable<Buffer>,
    signal: AbortSignal,
  ): AsyncGenerator<Buffer> {
    for await (const piece of source) {
      await this.take(device, piece.length, signal);
      yield piece;
    }
  }

  #waitMs(device: string): number {
    const paidMs = Math.max(this.#gatewayPaidMs, this.#devicePaidMs.get(device) ?? -Infinity);
    return Math.max(0, Math.ceil(paidMs - this.#clock.monotonicMs()));
  }

  #forgetFull(nowMs: number): void {
    for (const [device, paidMs] of this.#devicePaidMs) {
      if (paidMs <= nowMs - BURST_MS) this.#devicePaidMs.delete(device);
    }
  }
}

/** A pause saves up a burst, and no more. */
function paidAfter(
  paidMs: number,
  nowMs: number,
  byteCount: number,
  bytesPerSecond: number | null,
): number {
  if (bytesPerSecond === null) return paidMs;
  return Math.max(paidMs, nowMs - BURST_MS) + (byteCount * 1_000) / bytesPerSecond;
}
