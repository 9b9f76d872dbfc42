// SPDX-License-Identifier: Apache-2.0
/**
 * What must hold after every event of a history: the invariants of the rollout's semantics, judged
 * by what the devices truly did where that is more than the center knows.
 */
import {
  ATTEMPT,
  ATTEMPT_STATES,
  ATTEMPT_STATE_COUNT,
  CELL_FLAGS,
  isUnderWay,
  reasonCode,
} from "../attempt.ts";
import type { AttemptEvent } from "../attempt-step.ts";
import { isEnded, isOpen, type RolloutState } from "../rollout.ts";
import type { RolloutEvent } from "../rollout-engine.ts";
import { AnalysisChecks } from "./analysis-checks.ts";
import { CellWatch } from "./cell-watch.ts";
import { isOpenAt } from "../window.ts";
import { wentOn } from "./end-checks.ts";
import { checkCause, checkGate, heldFailures } from "./gate-checks.ts";
import { must } from "./invariants.ts";
import type { Offer } from "./center-hooks.ts";
import type { PureCenter } from "./pure-center.ts";
import { isProvenYet } from "../path-step.ts";
import { checkBegin, checkFailedGroups } from "./group-checks.ts";
import { checkAtWork, checkLastWord, checkOrder } from "./order-checks.ts";
import { whatItHad, type PretendDevice, type PretendSlot } from "./pretend-device.ts";
import type { PureRollout } from "./pure-rollout.ts";
import { checkFlight, checkPlaces, checkWindow } from "./shape-checks.ts";
import { ReportOrder } from "./report-order.ts";
import { SLOTS, type SlotName } from "./slots.ts";

const NEXT_STATES: { readonly [State in RolloutState]: readonly RolloutState[] } = {
  draft: [],
  "awaiting-approval": ["planned", "stopping"],
  planned: ["running", "stopping"],
  running: ["paused", "stopping", "succeeded", "stopped"],
  paused: ["running", "stopping"],
  stopping: ["stopping", "stopped", "expired", "succeeded", "rolling-back"],
  "rolling-back": ["rolled-back", "stopped"],
  succeeded: ["stopping"],
  stopped: ["stopping"],
  "rolled-back": [],
  expired: ["stopping"],
};

const OUTDONE = reasonCode("outdone");
const OVER: ReadonlySet<RolloutState> = new Set(["succeeded", "stopped", "rolled-back", "expired"]);

interface Followed {
  readonly watch: CellWatch;
  /** On the rollout's clock: since when its wave may reach its devices. */
  reachFromMs: number;
  /** On the world's clock: since when it does not run; −1 = it runs. */
  haltedAtMs: number;
  failures: number;
  /** On the world's clock; Infinity = not yet. */
  startedAtMs: number;
  endedAtMs: number;
}

export class HistoryChecks {
  private readonly center: PureCenter;
  private readonly devices: readonly PretendDevice[];
  private readonly reports: ReportOrder;
  private readonly followed = new Map<PureRollout, Followed>();
  private readonly generations = new Map<string, number>();
  private readonly judgedInstalls = new Set<PretendSlot["installsAt"]>();
  readonly analysis: AnalysisChecks = new AnalysisChecks();

  constructor(options: {
    center: PureCenter;
    devices: readonly PretendDevice[];
    isPlanted: (name: string) => boolean;
  }) {
    this.center = options.center;
    this.devices = options.devices;
    this.reports = new ReportOrder(options.isPlanted);
  }

  private follow(rollout: PureRollout): Followed {
    let followed = this.followed.get(rollout);
    if (followed === undefined) {
      const watch = new CellWatch(this.center, rollout);
      followed = {
        watch,
        reachFromMs: 0,
        haltedAtMs: 0,
        failures: 0,
        startedAtMs: Infinity,
        endedAtMs: Infinity,
      };
      this.followed.set(rollout, followed);
    }
    return followed;
  }

  /** A transition is one of the graph, epoch and clock only grow, a wave opens after its gate. */
  stepped(rollout: PureRollout, before: PureRollout["progress"], event: RolloutEvent): void {
    this.reports.close(rollout);
    const followed = this.follow(rollout);
    const after = rollout.progress;
    const move = `${before.state} → ${after.state} on ${event.kind}`;
    this.analysis.stepped(rollout, before, event);
    if (event.kind === "start") followed.startedAtMs = this.center.nowMs;
    if (isEnded(after.state)) followed.endedAtMs = Math.min(followed.endedAtMs, this.center.nowMs);
    if (after.state !== before.state) {
      must("graph", NEXT_STATES[before.state].includes(after.state), move);
      const isHalt = after.state === "paused" || after.state === "stopping";
      const isFirst = before.state === "awaiting-approval" && after.state !== "stopping";
      must("approval", !isFirst || event.kind === "approve", move);
      must("stop-epoch", !isHalt || after.stopEpoch > before.stopEpoch, `${move}, no new epoch`);
      followed.haltedAtMs = after.state === "running" ? -1 : this.center.nowMs;
      if (event.kind === "tick" && isHalt) checkCause(rollout, before, move);
    }
    if (event.kind === "start") checkRollback(rollout, this.devices);
    must("stop-epoch", after.stopEpoch >= before.stopEpoch, `${move}: the epoch went back`);
    must("graph", after.clockMs >= before.clockMs, `${move}: the clock went back`);
    must("gate", after.waveCount - before.waveCount <= 1, "two waves opened at once");
    if (after.waveCount > before.waveCount && event.kind === "tick" && before.waveCount === 0) {
      const isDue = event.wallMs >= rollout.frame.spec.notBeforeMs;
      must("schedule", isDue, "a rollout began before its time");
    }
    checkWindow(rollout);
    const hasOpened = after.waveCount > before.waveCount;
    if (hasOpened && before.waveCount > 0) {
      checkGate(rollout, before.waveCount - 1, after.clockMs - followed.reachFromMs);
    }
    if (hasOpened || event.kind === "resume") followed.reachFromMs = after.clockMs;
    if (event.kind !== "tick" || after.state !== "running") return;
    const failures = rollout.total.failures - after.forgivenFailures - heldFailures(rollout);
    const { maxFailures } = rollout.frame.limits;
    must("stop-rule", failures < maxFailures, `${failures} failures of ${maxFailures} and it runs`);
  }

  stepping(rollout: PureRollout, event: AttemptEvent): void {
    this.reports.stepping(rollout, event);
    const isAnew = rollout.page.state[event.position] === ATTEMPT.pending;
    if (event.kind === "leased" && isAnew) {
      checkOrder(this.center.rollouts, rollout, event.position);
      checkBegin(this.center, rollout, event.position);
    }
    if (event.kind === "reported") this.follow(rollout).watch.reporting(event);
  }

  /** Before a device joins or leaves, or is outdone. */
  changing(rollout: PureRollout): void {
    this.reports.close(rollout);
  }

  sweeping(rollout: PureRollout, elapsedTicks: number): void {
    this.reports.close(rollout);
    this.follow(rollout).watch.sweeping(elapsedTicks);
  }

  /** Time has passed for everybody. */
  ticked(): void {
    for (const rollout of this.center.rollouts) {
      if (isOpen(rollout.progress.state)) this.follow(rollout).watch.swept();
      checkFailedGroups(rollout);
    }
  }

  /**
   * Within an open wave, of a rollout that runs, under the newest epoch and a newer generation,
   * between `notBefore` and `expires`.
   */
  offered({ rollout, position, device, generation, stopEpoch, isWayBack }: Offer): void {
    const { progress, parent, frame } = rollout;
    const { expiresAtMs } = frame.spec;
    const isDue = expiresAtMs === 0 || this.center.wallMs < expiresAtMs;
    must("schedule", isDue, "an offer of a rollout that has expired");
    const keepsWindows = this.devices[device]?.understandsWindows === true;
    const mayBegin = isWayBack || keepsWindows || isInWindow(rollout, position, this.center.wallMs);
    must("windows", mayBegin, `an offer to device ${device}, which keeps none`);
    must("stop-offers", progress.state === "running", `an offer while it is ${progress.state}`);
    must("stop-epoch", stopEpoch === progress.stopEpoch, "an offer of an older epoch");
    must("waves", rollout.isReleased(position), "an offer of a wave that is not open");
    must("held", isWayBack || !rollout.isHeld(position), "an offer to a slice that is held");
    const key = `${rollout.number}/${device}`;
    must("generations", generation >= (this.generations.get(key) ?? 1), "an older generation");
    // One that was leased before has its place already, and so has one that is at work.
    const flags = rollout.page.flags[position] ?? 0;
    const isGivenUp = (flags & CELL_FLAGS.failed) !== 0;
    const isAtWork = isWayBack && !isProvenYet(flags) && !isGivenUp;
    if (generation > (this.generations.get(key) ?? 0) && !isAtWork) {
      checkFlight(rollout);
      checkPlaces(this.center, rollout, position);
    }
    this.generations.set(key, generation);
    if (parent === null) return;
    const actor = this.devices[device];
    const own = actor?.ranBefore.get(parent.number);
    const target = rollout.targets[position];
    if (actor !== undefined && wentOn(this.center.rollouts, parent, actor)) return;
    const isOwn = own === undefined || own === target;
    must("own-previous", isOwn, `device ${device} ran ${own} and is put back to ${target}`);
  }

  /** It left a gateway that has read all that the center sent. */
  sent({ rollout, device }: Offer): void {
    const { state } = rollout.progress;
    // What a gateway still holds of an attempt that ended otherwise may leave after a success: its
    // device has answered it, and does not accept it again.
    const mayLeave = state === "running" || state === "succeeded";
    must("stop-offers", mayLeave, `${device} is sent an offer while it is ${state}`);
  }

  /** `interrupted`: what the device was at in that slot, and gives up. */
  accepted(offer: Offer, interrupted: Offer | null): void {
    const { rollout, position, device, generation } = offer;
    const { watch, haltedAtMs } = this.follow(rollout);
    watch.deviceAccepted(position, generation);
    const slot = this.devices[device]?.slotOf(offer);
    const acceptedBefore = slot?.acceptedGenerations.at(-2) ?? 0;
    checkAtWork(offer, interrupted, this.devices[device], this.center.nowMs);
    must("generations", generation > acceptedBefore, `device ${device} went back a generation`);
    const state = rollout.page.state[position] ?? 0;
    const isFree = state === ATTEMPT.pending || state === ATTEMPT.cancelled;
    must("tokens", !isFree, `device ${device} accepts, and is ${ATTEMPT_STATES[state]}`);
    if (haltedAtMs === -1) return;
    const lateMs = this.center.nowMs - haltedAtMs;
    const { offerLifetimeMs } = rollout.frame;
    must("stop-accepts", lateMs < offerLifetimeMs, `device ${device}, ${lateMs} ms after`);
    const isOver = OVER.has(rollout.progress.state);
    must("stop-accepts", !isOver, `device ${device} when it was ${rollout.progress.state}`);
  }

  everything(): void {
    for (const device of this.devices) {
      if (device.understandsWindows) for (const name of SLOTS) this.checkInstall(device, name);
    }
    for (const rollout of this.center.rollouts) {
      const followed = this.follow(rollout);
      followed.watch.look();
      checkRollout(rollout, this.devices, followed.watch);
      const failures = countFailures(rollout);
      must("failures", failures >= followed.failures, `${followed.failures} became ${failures}`);
      followed.failures = failures;
    }
  }

  private checkInstall({ number, slots }: PretendDevice, name: SlotName): void {
    const { installsAt } = slots[name];
    if (installsAt === null || this.judgedInstalls.has(installsAt)) return;
    this.judgedInstalls.add(installsAt);
    const { offer, wallMs } = installsAt;
    const isOpen = offer.isWayBack || isInWindow(offer.rollout, offer.position, wallMs);
    must("windows", isOpen, `device ${number} began to install outside of it`);
  }

  ended(): void {
    checkLastWord(this.center.rollouts, this.devices, (rollout) => this.follow(rollout));
    for (const rollout of this.center.rollouts) {
      const why = `rollout ${rollout.number} is ${rollout.progress.state} in the end`;
      must("end", isEnded(rollout.progress.state), why);
      this.reports.close(rollout);
      this.follow(rollout).watch.ended();
      this.reports.replay(rollout);
    }
  }
}

/** Who took the release up, in truth, and is not known to be back, is in the rollback. */
function checkRollback(rollback: PureRollout, devices: readonly PretendDevice[]): void {
  const { parent } = rollback;
  parent?.devices.forEach((number, position) => {
    const { work = null, runs = 0 } = devices[number]?.slots[parent.slot] ?? {};
    const isSettled = ((parent.page.flags[position] ?? 0) & CELL_FLAGS.settled) !== 0;
    if (work === null || work.offer.rollout !== parent || isSettled) return;
    const isBack = work.ended && runs === whatItHad(work);
    must("own-previous", isBack || rollback.devices.includes(number), `${number} is left out`);
  });
}

function isInWindow(rollout: PureRollout, position: number, wallMs: number): boolean {
  const windows = rollout.windowsAt(position);
  return windows === null || isOpenAt(windows.policy.install, windows.zone, wallMs);
}

function countFailures({ page }: PureRollout): number {
  return page.flags.reduce((all, flags) => all + Number((flags & CELL_FLAGS.failed) !== 0), 0);
}

function checkRollout(
  rollout: PureRollout,
  devices: readonly PretendDevice[],
  watch: CellWatch,
): void {
  const { total, progress, page, frame } = rollout;
  const { inFlight, unproven, places } = recount(rollout);
  const size = rollout.devices.length;
  const sum = total.byState.reduce((all, count) => all + count, 0);
  must("counts", sum === size, `${sum} of ${size} devices are counted`);
  must("counts", inFlight === total.inFlight, `${total.inFlight} in flight, counted: ${inFlight}`);
  must("counts", unproven === total.unproven, `${total.unproven} unproven, counted: ${unproven}`);
  must("exposed", total.exposed >= total.failures, "more have failed than accepted");
  must("in-flight", places <= frame.limits.maxInFlight, `${places} in flight`);
  if (progress.waveCount > 0) {
    const hasMoved = page.state.some((state, position) => {
      if (state === ATTEMPT.pending || state === ATTEMPT.cancelled) return false;
      return page.reason[position] !== OUTDONE && !rollout.isReleased(position);
    });
    must("waves", !hasMoved, "a device moved before its wave opened");
  }
  if (frame.isRollback) return;
  const { blastRadius } = frame.limits;
  const held = total.unproven - watch.resurfaced;
  must("blast-radius", held <= blastRadius, `${held} unproven`);
  const inTruth = devices.filter((device) => isTrulyUnproven(rollout, device)).length;
  must("true-exposure", inTruth <= blastRadius, `${inTruth} are in truth unproven`);
}

/** By the cells, in the plainest way. */
function recount({ page }: PureRollout): { inFlight: number; unproven: number; places: number } {
  const sums = { inFlight: 0, unproven: 0, places: 0 };
  for (let cell = 0; cell < page.cellCount; cell++) {
    const state = page.state[cell] ?? ATTEMPT_STATE_COUNT;
    const flags = page.flags[cell] ?? 0;
    const isOut = state === ATTEMPT.offered || isUnderWay(state);
    if (isOut) sums.inFlight++;
    // One that was given up has lost its place; when it goes on all the same, it took none anew.
    if (isOut && (flags & CELL_FLAGS.failed) === 0) sums.places++;
    const isExposed = (flags & CELL_FLAGS.exposed) !== 0;
    const isSettled = (flags & CELL_FLAGS.settled) !== 0 || isProvenYet(flags);
    const isProven = state === ATTEMPT.succeeded || isSettled;
    if (state === ATTEMPT.offered || (isExposed && !isProven)) sums.unproven++;
  }
  return sums;
}

/** It took the release up, and is neither proven nor done with it and on what it ran before. */
function isTrulyUnproven(rollout: PureRollout, device: PretendDevice): boolean {
  const { work, runs } = device.slots[rollout.slot];
  if (work === null || work.offer.rollout !== rollout) return false;
  const { position, isWayBack } = work.offer;
  if (rollout.page.state[position] === ATTEMPT.succeeded) return false;
  // It has not taken the way back up: what it has it had proven.
  if (!isWayBack && isProvenYet(rollout.page.flags[position] ?? 0)) return false;
  return !work.ended || runs !== whatItHad(work);
}
