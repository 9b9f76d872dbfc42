// SPDX-License-Identifier: Apache-2.0
/** What must be true of the devices when everything is over. */
import { ATTEMPT, CELL_FLAGS } from "../attempt.ts";
import { must } from "./invariants.ts";
import type { PretendDevice } from "./pretend-device.ts";
import type { PureRollout } from "./pure-rollout.ts";

/** Of every rollout but those that put devices back. */
export function checkEnds(
  rollouts: readonly PureRollout[],
  devices: readonly PretendDevice[],
): void {
  for (const rollout of rollouts) {
    if (rollout.parent !== null) continue;
    rollout.devices.forEach((number, position) => {
      const device = devices[number];
      if (device === undefined || device.isBricked) return;
      if (rollout.slot === "command") checkCommand(rollout, device, position);
      else checkRelease(rollouts, rollout, device, position);
    });
  }
}

function checkCommand(rollout: PureRollout, device: PretendDevice, position: number): void {
  const isDone = rollout.page.state[position] === ATTEMPT.succeeded;
  const isTrue = !isDone || device.carriedOut.has(rollout.number);
  must("evidence", isTrue, `${device.number} did not carry the command out`);
}

function checkRelease(
  rollouts: readonly PureRollout[],
  rollout: PureRollout,
  device: PretendDevice,
  position: number,
): void {
  const { progress, child, page, number, slot } = rollout;
  const { runs, work } = device.slots[slot];
  const owner = work?.offer.rollout;
  const isAlone = !rollouts.some(
    (other) => other !== rollout && other.slot === slot && other.parent === null,
  );
  // What came later from another rollout says nothing about this one.
  if (owner !== undefined && owner !== rollout && owner !== child) return;
  const isProven = page.state[position] === ATTEMPT.succeeded;
  // One that a rollback gave up may go back when everything is over.
  const isTrue = !isProven || child !== null || device.fate === "falls-back";
  const isNew = runs === rollout.targets[position];
  must("evidence", isTrue || isNew, `${device.number} does not run it`);
  if (rollout.isGoingBack(position) && page.state[position] === ATTEMPT["rolled-back"]) {
    const before = device.ranBefore.get(number) ?? runs;
    const isBack = runs === before || child !== null || wentOn(rollouts, rollout, device);
    must("together", isBack, `${device.number} runs ${runs}, and ran ${before}`);
  }
  if (progress.state !== "rolled-back") return;
  if (wentOn(rollouts, rollout, device)) return;
  const own = isAlone ? device.factory : (device.ranBefore.get(number) ?? runs);
  must("own-previous", runs === own, `${device.number} runs ${runs}, and ran ${own}`);
}

/**
 * Another rollout gave the device up in the same slot, and it may have gone on all the same; or it
 * falls back by itself: what it runs when it accepts is not what this one noted at its offer.
 */
export function wentOn(
  rollouts: readonly PureRollout[],
  rollout: PureRollout,
  { number, fate }: PretendDevice,
): boolean {
  return rollouts.some((other) => {
    const isOther = other.slot === rollout.slot && other !== rollout && other.parent !== rollout;
    const flags = other.page.flags[other.positionOf(number)] ?? 0;
    return isOther && (fate === "falls-back" || (flags & CELL_FLAGS.failed) !== 0);
  });
}
