// SPDX-License-Identifier: Apache-2.0
/**
 * Downloads of a rehearsal under the caps of its rollout. Each moves as fast as its device may, and
 * no faster than its even share of what its site and its gateway may move, as gateways serve them
 * (`gateway/artifacts/pacer.ts`). Shares are those of the moment at which time was let pass: within
 * one grain of the rehearsal nobody gets what another one does not need any more.
 */
import type { Bandwidth } from "../../domain/bandwidth.ts";
import { NO_PLACE } from "../../domain/place-loads.ts";

/** Two gateways count for themselves, also of one site. */
const SITE_KEYS: number = 2 ** 32;

interface Transfer {
  leftBytes: number;
  /** Up to when it has moved. */
  atMs: number;
}

export class ModelTransfers {
  /** By device; only of those that fetch: bounded by what is in flight. */
  private readonly active = new Map<number, Transfer>();
  private readonly options: {
    readonly bandwidth: Bandwidth;
    /** By device: `siteKey`, and the number of its gateway. */
    readonly sites: Uint32Array;
    readonly gateways: Uint16Array;
    /** One that is away moves nothing, and takes nobody's share. */
    readonly isOnline: (device: number) => boolean;
  };

  constructor(options: ModelTransfers["options"]) {
    this.options = options;
  }

  begin(device: number, bytes: number, atMs: number): void {
    this.active.set(device, { leftBytes: bytes, atMs });
  }

  has(device: number): boolean {
    return this.active.has(device);
  }

  /** It is given up. */
  end(device: number): void {
    this.active.delete(device);
  }

  /** Time passes until `nowMs`; answers who is through, and since when, in the order of devices. */
  advance(nowMs: number): { device: number; atMs: number }[] {
    const { isOnline } = this.options;
    const through: { device: number; atMs: number }[] = [];
    if (this.active.size === 0) return through;
    const rateOf = this.rates();
    for (const [device, transfer] of this.active) {
      const { atMs, leftBytes } = transfer;
      transfer.atMs = nowMs;
      if (!isOnline(device)) continue;
      const bytesPerMs = rateOf(device) / 1_000;
      transfer.leftBytes = leftBytes - bytesPerMs * (nowMs - atMs);
      if (transfer.leftBytes > 0) continue;
      this.active.delete(device);
      through.push({ device, atMs: Math.min(nowMs, atMs + leftBytes / bytesPerMs) });
    }
    return through.sort((a, b) => a.atMs - b.atMs || a.device - b.device);
  }

  /** Bytes a second by device, as many as are at it now. */
  private rates(): (device: number) => number {
    const { bandwidth, isOnline } = this.options;
    const { deviceBytesPerSecond, siteBytesPerSecond, gatewayBytesPerSecond } = bandwidth;
    const atSite = new Map<number, number>();
    const atGateway = new Map<number, number>();
    for (const device of this.active.keys()) {
      if (!isOnline(device)) continue;
      const { site, gateway } = this.placeOf(device);
      atSite.set(site, (atSite.get(site) ?? 0) + 1);
      atGateway.set(gateway, (atGateway.get(gateway) ?? 0) + 1);
    }
    const share = (bytesPerSecond: number, count: number | undefined): number =>
      bytesPerSecond === 0 ? Number.POSITIVE_INFINITY : bytesPerSecond / (count ?? 1);
    return (device) => {
      const { site, gateway, hasSite } = this.placeOf(device);
      return Math.min(
        share(deviceBytesPerSecond, 1),
        hasSite ? share(siteBytesPerSecond, atSite.get(site)) : Number.POSITIVE_INFINITY,
        share(gatewayBytesPerSecond, atGateway.get(gateway)),
      );
    };
  }

  private placeOf(device: number): { site: number; gateway: number; hasSite: boolean } {
    const gateway = this.options.gateways[device] ?? 1;
    const site = this.options.sites[device] ?? NO_PLACE;
    return { site: gateway * SITE_KEYS + site, gateway, hasSite: site !== NO_PLACE };
  }
}
