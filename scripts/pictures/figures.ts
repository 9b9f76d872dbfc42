// SPDX-License-Identifier: Apache-2.0
//
// What the lines of pictures count: figures of the rollouts that a film has.

import type { OpenRollout } from "../../center/rollouts/open-rollout.ts";
import { ATTEMPT, CELL_FLAGS, isUnderWay } from "../../domain/attempt.ts";
import { groupAt } from "../../domain/groups.ts";
import { COLOURS } from "./draw.ts";
import type { FilmedSeries } from "./draw-film.ts";
import type { Cast } from "./film.ts";
import { isCritical } from "./model-devices.ts";

/** Of the film's own rollout, of its rollback, and of the one beside it. */
export const OWN = 1;
export const ROLLBACK = 2;
export const BESIDE = 3;
export const SECOND_COLOUR = "#7c3aed";

export type Figure = FilmedSeries & { readonly of: (cast: Cast) => number };

export function figure(
  name: string,
  colour: string,
  of: (rollout: OpenRollout) => number,
  more: { number?: number; limit?: number } = {},
): Figure {
  const { number = OWN, ...limit } = more;
  return {
    name,
    colour,
    ...limit,
    of: (cast) => {
      const rollout = cast.get(number);
      return rollout === undefined ? 0 : of(rollout);
    },
  };
}

export const accepted: Figure = figure("accepted", COLOURS.accepted, ({ total }) => total.exposed);
export const succeeded: Figure = figure("succeeded", COLOURS.succeeded, succeededOf);
export const failed = (limit?: number): Figure =>
  figure(
    "failed",
    COLOURS.failed,
    ({ total }) => total.failures,
    limit === undefined ? {} : { limit },
  );

export function succeededOf({ total }: OpenRollout): number {
  return total.byState[ATTEMPT.succeeded] ?? 0;
}

/** Accepted devices that are critical, or that are not. */
export function acceptedOf(rollout: OpenRollout, critical: boolean): number {
  return count(rollout, (state, ordinal) => {
    return state >= ATTEMPT.accepted && state <= ATTEMPT.lost && isCritical(ordinal) === critical;
  });
}

/** Of the plan, and of who joined behind it. */
export function count(
  rollout: OpenRollout,
  counts: (state: number, ordinal: number, position: number) => boolean,
): number {
  let found = 0;
  for (let position = 0; position < rollout.ordinals.length; position++) {
    if (counts(rollout.stateAt(position), rollout.ordinalAt(position), position)) found++;
  }
  return found;
}

/** Accepted devices that were planned, or that joined. */
export function acceptedWho(rollout: OpenRollout, joined: boolean): number {
  return count(rollout, (state, _, position) => {
    const hasJoined = position >= rollout.plan.deviceCount;
    return state >= ATTEMPT.accepted && state <= ATTEMPT.lost && hasJoined === joined;
  });
}

/** Devices that run what this step (index) of a version path brings, or what comes after it. */
export function pastStep(rollout: OpenRollout, step: number): number {
  return count(rollout, (state, _, position) => {
    return state === ATTEMPT.succeeded || rollout.targetIndexAt(position) > step;
  });
}

/** Devices of open waves that `first` keeps waiting. */
export function waitingFor(first: OpenRollout, rollout: OpenRollout): number {
  return count(rollout, (state, ordinal, position) => {
    if (state !== ATTEMPT.pending || !rollout.isReleased(position)) return false;
    return first.stateAt(first.positionOf(ordinal)) !== ATTEMPT.succeeded;
  });
}

/** Installed, and not back: of one that goes back, until it is verified there. */
function runsRelease(rollout: OpenRollout, position: number): boolean {
  const state = rollout.stateAt(position);
  const isInstalled = state === ATTEMPT.verifying || state === ATTEMPT.succeeded;
  if (!rollout.isGoingBack(position)) return isInstalled;
  return state !== ATTEMPT["rolled-back"] && state !== ATTEMPT.verifying;
}

/** Groups of which so many devices have it, of how many; `hasFailed`: one of it has. */
export function groupsWhere(
  rollout: OpenRollout,
  counts: (newCount: number, deviceCount: number, hasFailed: boolean) => boolean,
): number {
  const { length: positionCount } = rollout.ordinals;
  const isTogether = (position: number): boolean => rollout.isTogether(position);
  let found = 0;
  for (let position = 0; position < positionCount;) {
    const { start, end } = groupAt({ positionCount, isTogether }, position);
    let newCount = 0;
    let hasFailed = false;
    for (let member = start; member < end; member++) {
      hasFailed ||= (rollout.flagsAt(member) & CELL_FLAGS.failed) !== 0;
      if (runsRelease(rollout, member)) newCount++;
    }
    if (counts(newCount, end - start, hasFailed)) found++;
    position = end;
  }
  return found;
}

/** Devices in flight at the place that has most of them. */
export function busiest(rollout: OpenRollout, placeOf: (ordinal: number) => number): number {
  const byPlace = new Map<number, number>();
  for (let position = 0; position < rollout.plan.deviceCount; position++) {
    const state = rollout.stateAt(position);
    if (state !== ATTEMPT.offered && !isUnderWay(state)) continue;
    const place = placeOf(rollout.ordinalAt(position));
    byPlace.set(place, (byPlace.get(place) ?? 0) + 1);
  }
  return Math.max(0, ...byPlace.values());
}
