// SPDX-License-Identifier: Apache-2.0
/** What must hold of the shape of a rollout: who is in which wave, and how many at once. */
import type { Plan } from "../planner.ts";
import type { RolloutSpec } from "../rollout.ts";
import { NO_PLACE } from "../place-loads.ts";
import { limitOf } from "../units.ts";
import { must } from "./invariants.ts";
import type { PretendDevice } from "./pretend-device.ts";
import type { PureCenter } from "./pure-center.ts";
import { inPlace } from "./pure-places.ts";
import type { PureRollout } from "./pure-rollout.ts";

/** An adaptive window stays within the bounds that the plan froze. */
export function checkWindow({ frame, progress }: PureRollout): void {
  const { window, maxInFlight } = frame.limits;
  if (window === null || progress.window === null) return;
  const { size } = progress.window;
  must("in-flight", size >= window.min && size <= window.max, `a window of ${size}`);
  must("in-flight", size <= maxInFlight, `a window of ${size}, above ${maxInFlight}`);
}

/** After a new offer: it had room. */
export function checkFlight({ frame, progress, total }: PureRollout): void {
  const most = progress.window?.size ?? frame.limits.maxInFlight;
  must("in-flight", total.inFlight <= most, `an offer makes ${total.inFlight} of ${most}`);
}

/** After a new offer: its site and its gateway had room, over all rollouts. */
export function checkPlaces(center: PureCenter, rollout: PureRollout, position: number): void {
  const device = rollout.devices[position] ?? -1;
  const gateway = center.told[device]?.gateway;
  const site = rollout.siteAt(position);
  const atSite = new Set<number>();
  const atGateway = new Set<number>();
  let strictest = rollout.frame.limits.maxInFlightPerSite || Infinity;
  for (const each of center.rollouts) {
    for (const taken of inPlace(each)) {
      const other = each.devices[taken] ?? -1;
      if (center.told[other]?.gateway === gateway) atGateway.add(other);
      if (site === NO_PLACE || each.siteAt(taken) !== site) continue;
      atSite.add(other);
      if (other === device) continue;
      strictest = Math.min(strictest, each.frame.limits.maxInFlightPerSite || Infinity);
    }
  }
  must("places", atSite.size <= strictest, `${atSite.size} of one site, above ${strictest}`);
  const most = rollout.frame.limits.maxInFlightPerGateway || Infinity;
  must("places", atGateway.size <= most, `${atGateway.size} at one gateway, above ${most}`);
}

/** Critical devices share no wave with others and come last; no wave of a ramp is above its cap. */
export function checkShape(spec: RolloutSpec, plan: Plan, devices: readonly PretendDevice[]): void {
  const { together } = plan;
  const isLast = [...plan.ordinals].map(
    (number) => spec.order === "critical-last" && devices[number]?.isCritical === true,
  );
  // A group is as critical as the most critical of it.
  for (let at = 1; at < isLast.length; at++) {
    if (together[at] === 1) isLast[at] ||= isLast[at - 1] === true;
  }
  for (let at = isLast.length - 1; at > 0; at--) {
    if (together[at] === 1) isLast[at - 1] ||= isLast[at] === true;
  }
  const border = isLast.indexOf(true);
  must("plan", border === -1 || !isLast.includes(false, border), "critical devices are not last");
  for (const { start, end } of plan.waves) {
    must("together", together[start] !== 1, `a group lies across the wave that begins at ${start}`);
    must("plan", isLast[start] === isLast[end - 1], `wave from ${start} to ${end} is mixed`);
    if (spec.strategy.kind !== "exponential") continue;
    const cap = limitOf(spec.strategy.cap, plan.ordinals.length);
    // It grows to the end of its last group, and then begins with a whole one.
    const whole = together.subarray(start + cap, end).every((bit) => bit === 1);
    const isAsked = end - start <= cap || (together.length > 0 && whole);
    must("plan", isAsked, `a wave of ${end - start}, above ${cap}`);
  }
}

/** A device has joined: as the policy says, and never a wave that is open while another is not. */
export function checkJoiner(rollout: PureRollout, device: PretendDevice): void {
  const { progress, waves, frame } = rollout;
  const { joiners, order } = frame.spec;
  const wave = rollout.waveOf(rollout.positionOf(device.number));
  const last = waves.length - 1;
  const isLast = joiners === "tail" || (device.isCritical && order === "critical-last");
  const due = isLast ? last : Math.min(progress.waveCount, last);
  must("plan", joiners !== "never", `device ${device.number} joins, and nobody may`);
  must("waves", wave === due, `device ${device.number} joins wave ${wave + 1}, not ${due + 1}`);
}
