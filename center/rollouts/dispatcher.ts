// SPDX-License-Identifier: Apache-2.0
/**
 * Chooses which attempts are offered next and through which gateway: within the plan's limits, only
 * to devices that are connected and have said what they run. Offers that are out without a lease at
 * the device's present gateway (the center restarted, or the device moved) are leased again under
 * the same generation; they have their token already.
 */
import { ATTEMPT } from "../../domain/attempt.ts";
import { UNKNOWN_RELEASE } from "../../domain/attempt-page.ts";
import { offerRoom, takesRadius } from "../../domain/offer-budget.ts";
import type { FleetTable } from "../state/fleet-table.ts";
import type { RunningTable } from "../state/running-table.ts";
import { MAX_LEASE_ENTRIES, type Lease, type LeaseDesk } from "./lease-desk.ts";
import { groupVerdictAt, waitsForWindow } from "./device-groups.ts";
import type { OpenRollout } from "./open-rollout.ts";
import { keeperOf, type Predecessor, type Predecessors } from "./predecessors.ts";
import { rivalryAt, rivalsOf } from "./rivals.ts";
import type { PlaceGuard } from "./place-guard.ts";

export interface Dispatcher {
  readonly fleet: FleetTable;
  readonly running: RunningTable;
  readonly desk: LeaseDesk;
  readonly places: PlaceGuard;
  readonly openRollouts: readonly OpenRollout[];
  readonly predecessors: Pick<Predecessors, "of">;
  readonly newLeaseId: () => string;
  readonly isPlanted: (name: string) => boolean;
}

/** Draws generations, steps the chosen cells to `offered` and returns the leases to be sent. */
export function dispatch(rollout: OpenRollout, dispatcher: Dispatcher): Lease[] {
  const { record } = rollout;
  const { isPlanted } = dispatcher;
  // The planted bug: a pause or stop does not keep attempts from being offered.
  const goesOn = isPlanted("dispatch.ignore-stop");
  const progress = goesOn ? { ...record.progress, state: "running" as const } : record.progress;
  if (progress.state !== "running") return [];
  let room = offerRoom(rollout.frame, progress, rollout.total);
  // The planted bug: the plan's limits are not looked at.
  if (isPlanted("dispatch.ignore-budget")) room = { inFlight: Infinity, radius: Infinity };
  const mayGoBack = record.spec.together !== "";
  const wantsPending = (): boolean => room.inFlight > 0 && (room.radius > 0 || mayGoBack);
  // The planted bug: waves that are not open yet are offered too.
  const end = isPlanted("dispatch.ignore-waves") ? rollout.ordinals.length : rollout.releasedEnd;
  const rivals = rivalsOf(rollout, dispatcher.openRollouts);
  const first = dispatcher.predecessors.of(rollout, dispatcher.openRollouts);
  const byGateway = new Map<number, Lease[]>();
  const consider = (position: number, isOffered: boolean): void => {
    const ordinal = rollout.ordinalAt(position);
    const gatewayNumber = dispatcher.fleet.reachableThrough(ordinal);
    if (gatewayNumber === 0) return;
    // Most that are offered: their lease is out, and they have not answered yet.
    const held = rollout.generationAt(position);
    if (dispatcher.desk.coveredBy(record.number, position, held) === gatewayNumber) return;
    if (!dispatcher.fleet.hasGreeted(ordinal)) return;
    if (mustWait(rollout, position, first, dispatcher.fleet)) return;
    const inFlight = isOffered ? 0 : 1;
    const radius = takesRadius(rollout.stateAt(position), rollout.flagsAt(position)) ? 1 : 0;
    if (room.inFlight < inFlight || room.radius < radius) return;
    const rivalry = rivalryAt(rollout, position, rivals);
    if (rivalry?.rivalry === "outdone") {
      dispatcher.desk.release(record.number, position);
      rollout.outdo(position);
    }
    if (rivalry !== null || !dispatcher.places.claim(rollout, position)) return;
    // Nobody gave it back: its offer expired unanswered, or its device left a gateway that hangs.
    dispatcher.desk.release(record.number, position);
    room.inFlight -= inFlight;
    room.radius -= radius;
    const generation = lease(rollout, position, ordinal, dispatcher);
    addToLease(rollout, byGateway, gatewayNumber, position, generation, dispatcher.newLeaseId);
  };
  rollout.visitCandidates(end, wantsPending, consider);
  const leases = [...byGateway.values()].flat();
  for (const granted of leases) dispatcher.desk.grant(granted);
  return leases;
}

/**
 * For its slice, its window, what goes first, or a device of its group. One that goes back waits
 * for none of them: what it has is not to stay.
 */
function mustWait(
  rollout: OpenRollout,
  position: number,
  first: readonly Predecessor[],
  fleet: FleetTable,
): boolean {
  if (rollout.isGoingBack(position)) return false;
  if (rollout.heldBecause(position) !== null || waitsForWindow(rollout, position, fleet))
    return true;
  if (rollout.stateAt(position) === ATTEMPT.offered) return false;
  if (keeperOf(first, rollout.ordinalAt(position)) !== null) return true;
  return groupVerdictAt(rollout, position, fleet).kind !== "offer";
}

/** Steps the cell; an entry that came back unsent keeps its generation. */
function lease(
  rollout: OpenRollout,
  position: number,
  ordinal: number,
  dispatcher: Dispatcher,
): number {
  const { page, index } = rollout.cell(position);
  const held = page.generation[index] ?? 0;
  const generation = held === 0 ? dispatcher.running.drawGeneration(ordinal) : held;
  const runs = dispatcher.running.releaseOf(ordinal, rollout.slotIndex);
  // What is not known is not taken for nothing: a rollback would take the release away.
  const previous = runs === -1 ? UNKNOWN_RELEASE : runs;
  rollout.step({ kind: "leased", position, generation, previous }, dispatcher.isPlanted);
  return generation;
}

function addToLease(
  rollout: OpenRollout,
  byGateway: Map<number, Lease[]>,
  gatewayNumber: number,
  position: number,
  generation: number,
  newLeaseId: () => string,
): void {
  const leases = byGateway.get(gatewayNumber) ?? [];
  byGateway.set(gatewayNumber, leases);
  let last = leases.at(-1);
  if (last === undefined || last.positions.length >= MAX_LEASE_ENTRIES) {
    last = {
      id: newLeaseId(),
      gatewayNumber,
      rolloutNumber: rollout.record.number,
      stopEpoch: rollout.record.progress.stopEpoch,
      positions: [],
      generations: [],
    };
    leases.push(last);
  }
  last.positions.push(position);
  last.generations.push(generation);
}
