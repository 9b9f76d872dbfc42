// SPDX-License-Identifier: Apache-2.0
/** The limits of gateways and sites in the pure center, as the center's place guard keeps them. */
import { PAGE_TICK_MS } from "../attempt-page.ts";
import { PlaceLoads, takesPlace } from "../place-loads.ts";
import type { PureRollout } from "./pure-rollout.ts";

/** Gateways by device: numbers from 1. */
export type GatewayOf = (device: number) => number;

/** Does its attempt take up a place at its gateway and site? */
function isInPlace({ page, nowTicks, frame }: PureRollout, position: number): boolean {
  const { offerLifetimeMs, spec } = frame;
  const enteredMsAgo = (nowTicks - (page.enteredAt[position] ?? 0)) * PAGE_TICK_MS;
  return takesPlace(page.state[position] ?? 0, enteredMsAgo, {
    offerLifetimeMs,
    downloadMs: spec.deadlines.downloadMs,
  });
}

/** Positions of which that is true. */
export function inPlace(rollout: PureRollout): number[] {
  return [...rollout.devices.keys()].filter((position) => isInPlace(rollout, position));
}

export class PurePlaces {
  private readonly sites = new PlaceLoads();
  private readonly gateways = new PlaceLoads();
  private readonly gatewayOf: GatewayOf;

  constructor(rollouts: Iterable<PureRollout>, gatewayOf: GatewayOf) {
    this.gatewayOf = gatewayOf;
    for (const rollout of rollouts) {
      for (const position of inPlace(rollout)) this.take(rollout, position);
    }
  }

  private take(rollout: PureRollout, position: number): void {
    const device = rollout.devices[position] ?? -1;
    this.sites.add(rollout.siteAt(position), device, rollout.frame.limits.maxInFlightPerSite);
    this.gateways.add(this.gatewayOf(device), device, 0);
  }

  claim(rollout: PureRollout, position: number): boolean {
    if (isInPlace(rollout, position)) return true;
    const device = rollout.devices[position] ?? -1;
    const { maxInFlightPerGateway, maxInFlightPerSite } = rollout.frame.limits;
    const hasRoom =
      this.sites.admits(rollout.siteAt(position), device, maxInFlightPerSite) &&
      this.gateways.admits(this.gatewayOf(device), device, maxInFlightPerGateway);
    if (hasRoom) this.take(rollout, position);
    return hasRoom;
  }
}
