// SPDX-License-Identifier: Apache-2.0
/**
 * How fast rollouts may move their bytes, as the center says: with each lease, and of all that are
 * open after each hello. They outlive leases, for downloads do.
 *
 * Limits: the caps of the last 1,024 rollouts that have some.
 */
import { hasBandwidth, type Bandwidth } from "../../domain/bandwidth.ts";
import type { BandwidthCaps } from "../../protocol/gen/muster/v1/gateway_pb.ts";

const MAX_ROLLOUTS = 1_024;

export class RolloutCaps {
  readonly #caps = new Map<number, Bandwidth>();

  /** Caps never change once a rollout has started. */
  learn(caps: BandwidthCaps | undefined): void {
    if (caps === undefined) return;
    const bandwidth = {
      deviceBytesPerSecond: Number(caps.deviceBytesPerSecond),
      siteBytesPerSecond: Number(caps.siteBytesPerSecond),
      gatewayBytesPerSecond: Number(caps.gatewayBytesPerSecond),
    };
    this.#caps.delete(caps.rollout);
    if (!hasBandwidth(bandwidth)) return;
    this.#caps.set(caps.rollout, bandwidth);
    if (this.#caps.size <= MAX_ROLLOUTS) return;
    for (const oldest of this.#caps.keys()) return void this.#caps.delete(oldest);
  }

  /** null = it has none. */
  of(rollout: number): Bandwidth | null {
    return this.#caps.get(rollout) ?? null;
  }
}
