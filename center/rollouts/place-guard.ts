// SPDX-License-Identifier: Apache-2.0
/**
 * Keeps the limits of gateways and sites while offers are given out: what is in flight is read from
 * the attempts of all open rollouts once a cycle, and only when some rollout has such a limit.
 */
import { ATTEMPT } from "../../domain/attempt.ts";
import { CELLS_PER_PAGE } from "../../domain/attempt-page.ts";
import { PlaceLoads, takesPlace } from "../../domain/place-loads.ts";
import type { FleetTable } from "../state/fleet-table.ts";
import { enteredMsAgo } from "./attempt-age.ts";
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
  for (const rollout of open) for (const position of inPlace(rollout)) take(rollout, position);
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
      if (isInPlace(rollout, position)) return true;
      if (!admits(rollout, position)) return false;
      take(rollout, position);
      return true;
    },
  };
}

/** Does its attempt take up a place at its gateway and site? */
function isInPlace(rollout: OpenRollout, position: number): boolean {
  const { offerLifetimeMs, spec } = rollout.frame;
  const limits = { offerLifetimeMs, downloadMs: spec.deadlines.downloadMs };
  return takesPlace(rollout.stateAt(position), enteredMsAgo(rollout, position), limits);
}

/** Positions of which that is true. */
function* inPlace(rollout: OpenRollout): Generator<number> {
  for (const page of rollout.pagesInFlight()) {
    const base = page.number * CELLS_PER_PAGE;
    for (let index = 0; index < page.cellCount; index++) {
      if (page.state[index] === ATTEMPT.pending) continue;
      if (isInPlace(rollout, base + index)) yield base + index;
    }
  }
}
