// SPDX-License-Identifier: Apache-2.0
/**
 * How many devices are in flight at each gateway or site, for limits that hold there. Counted anew
 * for each round of offers from the attempts themselves, over all open rollouts, so nothing has to
 * be kept in step and a restart of the center forgets nothing.
 *
 * A site has the strictest limit of those who have something in flight there: "never two of one
 * site at once" holds against rollouts that have no such limit, too.
 */
import { ATTEMPT, isUnderWay } from "./attempt.ts";
import { hash53 } from "./hash.ts";

/** Devices that have none are not limited. */
export const NO_PLACE = 0;

/** 0 = no limit. */
export interface PlaceLimits {
  readonly maxInFlightPerGateway: number;
  /** Over all open rollouts. */
  readonly maxInFlightPerSite: number;
}

/**
 * A site as packed pages keep it: 32 bits of its hash. Two sites that share them share a limit,
 * which is slower and never unsafe; with 10,000 sites one fleet in a hundred has such a pair.
 */
export function siteKey(tenant: string, site: string): number {
  if (site === "") return NO_PLACE;
  return hash53(tenant, site) % 0xffff_ffff || 1;
}

interface Load {
  readonly devices: Set<number>;
  strictest: number;
}

export class PlaceLoads {
  private readonly loads = new Map<number, Load>();

  /** `limit`: of the rollout that the device is in flight for; 0 = none. */
  add(place: number, device: number, limit: number): void {
    if (place === NO_PLACE) return;
    let load = this.loads.get(place);
    if (load === undefined) {
      load = { devices: new Set(), strictest: Infinity };
      this.loads.set(place, load);
    }
    load.devices.add(device);
    if (limit > 0) load.strictest = Math.min(load.strictest, limit);
  }

  /** May this device be offered something here as well? It is not in its own way. */
  admits(place: number, device: number, limit: number): boolean {
    const load = this.loads.get(place);
    if (place === NO_PLACE || load === undefined) return true;
    const others = load.devices.size - (load.devices.has(device) ? 1 : 0);
    return others < Math.min(limit > 0 ? limit : Infinity, load.strictest);
  }
}

/**
 * Does an attempt in this state take up its place? An offer that nobody answered does until its
 * device would have been given up, had it accepted at the last moment: a dark device must not block
 * its site for ever. (Its token of the blast radius stays spent.)
 */
export function takesPlace(
  state: number,
  enteredMsAgo: number,
  limits: { offerLifetimeMs: number; downloadMs: number },
): boolean {
  if (state !== ATTEMPT.offered) return isUnderWay(state);
  return enteredMsAgo < limits.offerLifetimeMs + limits.downloadMs;
}
