// SPDX-License-Identifier: Apache-2.0
/**
 * Keeps the limits of gateways and sites while offers are given out: what is in flight is read from
 * the attempts of all open rollouts once a cycle, and only when some rollout has such a limit.
 */
import { PlaceLoads } from "../../domain/place-loads.ts";
import type { FleetTable } from "../state/fleet-table.ts";
import type { OpenRollout } from "./open-rollout.ts";

export interface PlaceGuard {
  /**
   * A place at its site and at the gateway that it is connected to: true when it has one already,
   * or there was one left, which it has now.
   */
  claim(rollout: OpenRollout, position: number): boolean;
}

const NO_GUARD: PlaceGuard = { claim: () => true };

export function createPlaceGuard(
  rollouts: Iterable<OpenRollout>,
  fleet: Pick<FleetTable, "gatewayOf">,
): PlaceGuard {
  const open = Array.from(rollouts);
  const isLimited = open.some(({ frame }) => {
    const { maxInFlightPerGateway, maxInFlightPerSite } = frame.limits;
    return maxInFlightPerGateway > 0 || maxInFlightPerSite > 0;
  });
  if (!isLimited) return NO_GUARD;
  const sites = new PlaceLoads();
  const gateways = new PlaceLoads();
  const take = (rollout: OpenRollout, position: number): void => {
    const ordinal = rollout.ordinalAt(position);
    sites.add(rollout.siteAt(position), ordinal, rollout.frame.limits.maxInFlightPerSite);
    // A gateway's limit is a rollout's own: it binds no other.
    gateways.add(fleet.gatewayOf(ordinal), ordinal, 0);
  };
  for (const rollout of open) for (const position of rollout.inPlace()) take(rollout, position);
  const admits = (rollout: OpenRollout, position: number): boolean => {
    const ordinal = rollout.ordinalAt(position);
    const { maxInFlightPerGateway, maxInFlightPerSite } = rollout.frame.limits;
    return (
      sites.admits(rollout.siteAt(position), ordinal, maxInFlightPerSite) &&
      gateways.admits(fleet.gatewayOf(ordinal), ordinal, maxInFlightPerGateway)
    );
  };
  return {
    claim: (rollout, position) => {
      if (rollout.isInPlace(position)) return true;
      if (!admits(rollout, position)) return false;
      take(rollout, position);
      return true;
    },
  };
}
