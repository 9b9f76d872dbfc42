// SPDX-License-Identifier: Apache-2.0
/**
 * Chooses which attempts are offered next and through which gateway: within the plan's limits, only
 * to devices that are connected and have said what they run. Offers that are out without a lease at
 * the device's present gateway (the center restarted, or the device moved) are leased again under
 * the same generation; they have their token already.
 */
import { ATTEMPT } from "../../domain/attempt.ts";
import { offerBudget } from "../../domain/offer-budget.ts";
import type { FleetTable } from "../state/fleet-table.ts";
import type { RunningTable } from "../state/running-table.ts";
import { MAX_LEASE_ENTRIES, type Lease, type LeaseDesk } from "./lease-desk.ts";
import { groupVerdictAt, waitsForWindow } from "./device-groups.ts";
import type { OpenRollout } from "./open-rollout.ts";
import { keeperOf, type Predecessors } from "./predecessors.ts";
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
  let budget = offerBudget(rollout.frame, progress, rollout.total);
  // The planted bug: the plan's limits are not looked at.
  if (isPlanted("dispatch.ignore-budget")) budget = Number.MAX_SAFE_INTEGER;
  // The planted bug: waves that are not open yet are offered too.
  const end = isPlanted("dispatch.ignore-waves") ? rollout.ordinals.length : rollout.releasedEnd;
  const rivals = rivalsOf(rollout, dispatcher.openRollouts);
  const first = dispatcher.predecessors.of(rollout, dispatcher.openRollouts);
  const byGateway = new Map<number, Lease[]>();
  for (const position of rollout.candidates(end, () => budget > 0)) {
    const isOffered = rollout.stateAt(position) === ATTEMPT.offered;
    if (rollout.heldBecause(position) !== null) continue;
    const ordinal = rollout.ordinalAt(position);
    const gatewayNumber = dispatcher.fleet.reachableThrough(ordinal);
    if (gatewayNumber === 0 || !dispatcher.fleet.hasGreeted(ordinal)) continue;
    if (waitsForWindow(rollout, position, dispatcher.fleet)) continue;
    if (!isOffered && keeperOf(first, ordinal) !== null) continue;
    const held = rollout.generationAt(position);
    if (dispatcher.desk.coveredBy(record.number, position, held) === gatewayNumber) continue;
    const group = isOffered ? null : groupVerdictAt(rollout, position, dispatcher.fleet).kind;
    if (group === "failed") rollout.keepBack(position);
    if (group === "failed" || group === "wait") continue;
    const rivalry = rivalryAt(rollout, position, rivals);
    if (rivalry?.rivalry === "outdone") {
      dispatcher.desk.release(record.number, position);
      rollout.outdo(position);
    }
    if (rivalry !== null || !dispatcher.places.claim(rollout, position)) continue;
    // Nobody gave it back: its offer expired unanswered, or its device left a gateway that hangs.
    dispatcher.desk.release(record.number, position);
    if (!isOffered) budget--;
    const generation = lease(rollout, position, ordinal, dispatcher);
    addToLease(rollout, byGateway, gatewayNumber, position, generation, dispatcher.newLeaseId);
  }
  const leases = [...byGateway.values()].flat();
  for (const granted of leases) dispatcher.desk.grant(granted);
  return leases;
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
  const previous = Math.max(0, dispatcher.running.releaseOf(ordinal, rollout.slotIndex));
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
