// SPDX-License-Identifier: Apache-2.0
/** What the center knows of a device's slot now, in the words of the sweep. */
import { UNKNOWN_RELEASE } from "../../domain/attempt-page.ts";
import { EVIDENCE } from "../../domain/attempt-sweep.ts";
import { areRivals } from "../../domain/precedence.ts";
import type { FleetTable } from "../state/fleet-table.ts";
import { enteredMsAgo } from "./attempt-age.ts";
import type { LeaseDesk } from "./lease-desk.ts";
import type { LoopState } from "./loop-state.ts";
import type { GroupView } from "./device-groups.ts";
import { contenderOf } from "./rivals.ts";
import type { OpenRollout, SweepView } from "./open-rollout.ts";

/** For one rollout; its targets are translated to dictionary indexes once. */
export function createEvidence(
  rollout: OpenRollout,
  state: Pick<LoopState, "running" | "digests">,
  fleet: FleetTable,
  desk: LeaseDesk,
): Pick<SweepView, "evidence" | "isOnline" | "isUnknown"> {
  const targets = targetsOf(rollout, state);
  const sightOf = (ordinal: number): "unknown" | "none" | "there" => {
    const presence = fleet.presence(ordinal);
    if (presence === "unknown") return "unknown";
    if (!rollout.needsEvidence) return "none";
    if (presence !== "online" && !fleet.isHeardFrom(ordinal)) return "none";
    // It has not said in its newest session what it runs: what is stored may be of before. Of one
    // that is connected it is a matter of milliseconds; one that left again stays unknown for the
    // gap that breaks nothing.
    return fleet.hasGreeted(ordinal) ? "there" : "unknown";
  };
  const evidenceOf = (position: number, previous: number): number => {
    const ordinal = rollout.ordinalAt(position);
    const sight = sightOf(ordinal);
    if (sight !== "there") return EVIDENCE[sight];
    const release = state.running.releaseOf(ordinal, rollout.slotIndex);
    if (release === -1) return EVIDENCE.none;
    const isGoingBack = rollout.isGoingBack(position);
    const target = isGoingBack ? previous : targets[rollout.targetIndexAt(position)];
    if (release === target) {
      const isFit = state.running.isHealthy(ordinal, rollout.slotIndex);
      return isFit ? EVIDENCE.target : EVIDENCE.none;
    }
    const isBack = previous !== UNKNOWN_RELEASE && release === previous;
    if (!isBack) return EVIDENCE.none;
    return fleet.mayHaveMovedOn(ordinal) ? EVIDENCE.unknown : EVIDENCE.previous;
  };
  return {
    // Without a lease at its gateway its answer may still be on the way. One that fell silent after
    // it accepted counts as connected until its gateway has missed its heartbeats.
    isOnline: (position) => {
      const ageMs = enteredMsAgo(rollout, position);
      if (ageMs < 2 * rollout.frame.offerLifetimeMs + fleet.gapMs) return false;
      const gatewayNumber = fleet.reachableThrough(rollout.ordinalAt(position));
      if (gatewayNumber === 0) return false;
      const generation = rollout.generationAt(position);
      return desk.coveredBy(rollout.record.number, position, generation) === gatewayNumber;
    },
    isUnknown: (position, previous) => {
      const ordinal = rollout.ordinalAt(position);
      const sight = sightOf(ordinal);
      if (sight !== "there" || !fleet.mayHaveMovedOn(ordinal)) return sight === "unknown";
      return evidenceOf(position, previous) === EVIDENCE.unknown;
    },
    evidence: evidenceOf,
  };
}

/** What devices run; nothing where no other rollout is at work in the same slot. */
export function createRunningView(
  rollout: OpenRollout,
  { running, digests, open }: Pick<LoopState, "running" | "digests" | "open">,
  fleet: FleetTable,
): Pick<SweepView, "running"> {
  const own = contenderOf(rollout);
  // Also one that has ended in this cycle.
  const isAlone = ![...open.values()].some(
    (other) => other.plan.slot === own.slot && areRivals(own, contenderOf(other)),
  );
  if (isAlone || !rollout.needsEvidence) return {};
  const targets = targetsOf(rollout, { digests });
  return {
    running: (position) => {
      const ordinal = rollout.ordinalAt(position);
      const isKnown = fleet.reachableThrough(ordinal) !== 0 && fleet.hasGreeted(ordinal);
      const runs = isKnown ? running.releaseOf(ordinal, rollout.slotIndex) : -1;
      return { runs, target: targets[rollout.targetIndexAt(position)] ?? -1 };
    },
  };
}

/** What is known of a device whose group has failed. */
export function createGroupView(
  rollout: OpenRollout,
  state: Pick<LoopState, "running" | "digests">,
  fleet: FleetTable,
): GroupView {
  const targets = targetsOf(rollout, state);
  return {
    isReachable: (position) => {
      const ordinal = rollout.ordinalAt(position);
      return fleet.reachableThrough(ordinal) !== 0 && fleet.hasGreeted(ordinal);
    },
    runsRelease: (position) => {
      const ordinal = rollout.ordinalAt(position);
      const release = state.running.releaseOf(ordinal, rollout.slotIndex);
      return release !== -1 && release === targets[rollout.targetIndexAt(position)];
    },
  };
}

/** By index of the plan's targets: its index in the dictionary. */
function targetsOf(
  { plan }: OpenRollout,
  { digests }: Pick<LoopState, "digests">,
): readonly number[] {
  return plan.targets.map((target) => digests.targetIndexOf(target.digest));
}
