// SPDX-License-Identifier: Apache-2.0
/**
 * A center of a few pages of code for histories and transcripts: it drives the attempt step, the
 * sweep, the engine and its budget exactly in the order of the rollout loop, and does their effects
 * in memory. What it would tell gateways and people is called back.
 */
import { assert } from "../assert.ts";
import { ATTEMPT } from "../attempt.ts";
import { PAGE_TICK_MS, UNKNOWN_RELEASE } from "../attempt-page.ts";
import {
  closeUnaccepted,
  outdo,
  stepAttempt,
  type AttemptEvent,
  type ReportedPhase,
  type StepOutcome,
} from "../attempt-step.ts";
import { sweepPage } from "../attempt-sweep.ts";
import { offerRoom, takesRadius } from "../offer-budget.ts";
import type { RolloutEffect } from "../rollout-effect.ts";
import { stepRollout, type RolloutEvent } from "../rollout-engine.ts";
import { chooseRollback, countNotBack } from "../rollback.ts";
import { planRollback } from "../rollback-plan.ts";
import { beginWayBack, keepBack } from "../way-back.ts";
import { isEnded, isOpen } from "../rollout.ts";
import { needsEvidence } from "../subject.ts";
import { closingReason } from "../rollout-schedule.ts";
import { settledWallMs, settleTime, startSettledTime, type SettledTime } from "../settled-time.ts";
import { skipClosedTime } from "../window-deadlines.ts";
import type { CenterHooks, Offer, Told } from "./center-hooks.ts";
import { closedAs, reportedAs, type AttemptHappening } from "./happenings.ts";
import { isKept, losersTo, rivalryAt } from "./pure-order.ts";
import { groupDuties } from "./pure-groups.ts";
import { PurePlaces } from "./pure-places.ts";
import { PureRollout } from "./pure-rollout.ts";
import { evidenceAt, runningAt } from "./pure-sight.ts";

const SEEN: readonly AttemptHappening[] = [
  "sees nothing",
  "sees target",
  "sees previous",
  "sees unknown",
];
const IS_NONE_PLANTED = (): boolean => false;

export class PureCenter {
  readonly rollouts: PureRollout[] = [];
  readonly told: Told[];
  readonly lastGeneration: number[];
  nowMs = 0;
  /** Of the world's wall clock; whoever tells the story lets it jump. */
  wallOffsetMs: number;
  private settled: SettledTime;
  private readonly hooks: CenterHooks;
  private readonly isPlanted: (name: string) => boolean;
  /** Since the last dispatch. */
  private readonly justEnded: PureRollout[] = [];
  /** By rollout and position: the offer whose lease is at the device's gateway. */
  private readonly leased = new Map<string, Offer>();

  constructor(options: {
    releases: readonly number[];
    hooks: CenterHooks;
    understandsWindows?: (device: number) => boolean;
    isPlanted?: (name: string) => boolean;
    wallMs?: number;
  }) {
    this.hooks = options.hooks;
    this.wallOffsetMs = options.wallMs ?? 0;
    this.settled = startSettledTime({ wallMs: this.wallOffsetMs, monotonicMs: 0 });
    this.isPlanted = options.isPlanted ?? IS_NONE_PLANTED;
    this.told = options.releases.map((release, device) => ({
      presence: "online",
      slots: {
        app: { release, healthy: true },
        os: { release, healthy: true },
        command: { release: 0, healthy: true },
      },
      gateway: 1,
      understandsWindows: options.understandsWindows?.(device) === true,
    }));
    this.lastGeneration = options.releases.map(() => 0);
  }

  /** The wall time that the center goes by. */
  get wallMs(): number {
    return settledWallMs(this.settled, this.nowMs);
  }

  /** A second of the loop, or any other time: sweep, engine, dispatch. */
  tick(elapsedMs: number): void {
    this.nowMs += elapsedMs;
    const reading = { wallMs: this.nowMs + this.wallOffsetMs, monotonicMs: this.nowMs };
    this.settled = settleTime(this.settled, reading);
    const { wallMs } = this;
    for (const rollout of Array.from(this.rollouts)) {
      if (!isOpen(rollout.progress.state)) continue;
      this.sweep(rollout);
      this.settleGroups(rollout, "still");
      this.step(rollout, { kind: "tick", elapsedMs, wallMs });
      for (let steps = 0; steps < 64 && !isEnded(rollout.progress.state); steps++) {
        const { state, waveCount } = rollout.progress;
        this.step(rollout, { kind: "tick", elapsedMs: 0, wallMs });
        if (rollout.progress.state === state && rollout.progress.waveCount === waveCount) break;
      }
      this.settleGroups(rollout, "all");
    }
    for (const winner of this.justEnded.splice(0)) {
      for (const { rollout, position } of losersTo(winner, this.rollouts)) {
        this.outdo(rollout, position);
      }
    }
    const places = new PurePlaces(this.rollouts, (device) => this.told[device]?.gateway ?? 1);
    for (const rollout of this.rollouts) this.dispatch(rollout, places);
  }

  step(rollout: PureRollout, event: RolloutEvent): void {
    const before = rollout.progress;
    const { progress, effects } = stepRollout(
      rollout.frame,
      before,
      rollout.counts,
      event,
      this.isPlanted,
      rollout.sight,
    );
    rollout.progress = progress;
    this.hooks.stepped(rollout, before, event);
    for (const effect of effects) this.carryOut(rollout, effect);
  }

  report(
    rollout: PureRollout,
    position: number,
    report: { generation: number; sequence: number; phase: ReportedPhase; reason?: string },
  ): StepOutcome {
    const { reason = "", ...rest } = report;
    const outcome = this.stepCell(rollout, { kind: "reported", position, reason, ...rest });
    if (outcome === "changed") this.forget(rollout, position);
    return outcome;
  }

  giveBack(offer: Offer, sent: boolean): StepOutcome {
    const { rollout, position, generation } = offer;
    const key = `${rollout.number}/${position}`;
    // Of a lease before the one that covers it now: the newer one decides.
    if (this.leased.get(key) !== offer && this.isLeased(rollout, position)) return "stale";
    this.leased.delete(key);
    return this.stepCell(rollout, { kind: "returned", position, generation, sent });
  }

  /** Its gateway is gone, or another one: the lease is void, nobody gave it back. */
  forget(rollout: PureRollout, position: number): void {
    this.leased.delete(`${rollout.number}/${position}`);
  }

  /**
   * The process ends and another one reads what is stored: which leases are out is forgotten, what
   * was offered is leased again.
   */
  restart(): void {
    this.leased.clear();
    for (const rollout of this.rollouts) rollout.reload();
  }

  private stepCell(rollout: PureRollout, event: AttemptEvent): StepOutcome {
    const { page, nowTicks, isStopping: stopping } = rollout;
    if (!isOpen(rollout.progress.state)) return "stale"; // of a rollout that is not open
    this.hooks.stepping?.(rollout, event);
    const state = page.state[event.position] ?? 0;
    const isProvenByReport = !needsEvidence(rollout.frame.spec);
    const context = { nowTicks, stopping, isProvenByReport, isPlanted: this.isPlanted };
    const outcome = stepAttempt(page, event, context);
    this.hooks.happened?.(state, reportedAs(event, outcome));
    return outcome;
  }

  private sweep(rollout: PureRollout): void {
    const { page, nowTicks, frame, progress } = rollout;
    const elapsedTicks = nowTicks - rollout.sweptAtTicks;
    rollout.sweptAtTicks = nowTicks;
    this.hooks.sweeping?.(rollout, elapsedTicks);
    sweepPage(page, {
      nowTicks,
      elapsedTicks,
      deadlines: frame.spec.deadlines,
      soakMs: frame.spec.soakMs,
      rollingBack: progress.state === "rolling-back",
      stopping: rollout.isStopping,
      offerLifetimeMs: frame.offerLifetimeMs,
      evidence: (position, previous) => {
        const evidence = this.evidence(rollout, position, previous);
        this.hooks.happened?.(page.state[position] ?? 0, SEEN[evidence] ?? "sees nothing");
        return evidence;
      },
      running: (position) => runningAt(rollout, position, this.toldOf(rollout, position)),
      isOnline: (position) =>
        this.toldOf(rollout, position).presence === "online" && this.isLeased(rollout, position),
      isPlanted: this.isPlanted,
      isWindowClosed: (position, window) => rollout.isWindowClosed(position, window),
      hasNextStep: (position) => rollout.hasNextStep(position),
    });
  }

  /** Its present generation: one that expired unanswered does not count. */
  private isLeased({ number, page }: PureRollout, position: number): boolean {
    return this.leased.get(`${number}/${position}`)?.generation === page.generation[position];
  }

  /** One of EVIDENCE, as the sweep sees it. */
  evidence(rollout: PureRollout, position: number, previous: number): number {
    return evidenceAt({ rollout, position, previous }, this.toldOf(rollout, position));
  }

  private toldOf(rollout: PureRollout, position: number): Told {
    const told = this.told[rollout.devices[position] ?? -1];
    assert(told !== undefined, "every position has a device");
    return told;
  }

  private dispatch(rollout: PureRollout, places: PurePlaces): void {
    if (rollout.progress.state !== "running") return;
    const room = offerRoom(rollout.frame, rollout.progress, rollout.total, this.isPlanted);
    const { page, devices } = rollout;
    for (const position of devices.keys()) {
      if (!rollout.isReleased(position)) continue;
      const state = page.state[position] ?? 0;
      const isOffered = state === ATTEMPT.offered;
      if (!isOffered && state !== ATTEMPT.pending) continue;
      const inFlight = isOffered ? 0 : 1;
      const radius = takesRadius(state, page.flags[position] ?? 0, this.isPlanted) ? 1 : 0;
      if (room.inFlight < inFlight || room.radius < radius) continue;
      const told = this.toldOf(rollout, position);
      if (told.presence !== "online" || this.isLeased(rollout, position)) continue;
      if (!rollout.isGoingBack(position) && this.mustWait(rollout, position, isOffered)) continue;
      if (this.isRivalled(rollout, position)) continue;
      if (!places.claim(rollout, position)) continue;
      room.inFlight -= inFlight;
      room.radius -= radius;
      const device = devices[position] ?? -1;
      const held = page.generation[position] ?? 0;
      const generation = held === 0 ? this.draw(device) : held;
      const previous = told.slots[rollout.slot].release;
      this.stepCell(rollout, { kind: "leased", position, generation, previous });
      const { stopEpoch } = rollout.progress;
      const expiresAtMs = this.nowMs + rollout.frame.offerLifetimeMs;
      const target = rollout.targetAt(position);
      const isWayBack = rollout.isGoingBack(position);
      const own = { generation, target, isWayBack };
      const offer = { rollout, position, device, ...own, stopEpoch, expiresAtMs };
      this.leased.set(`${rollout.number}/${position}`, offer);
      this.hooks.offered(offer);
    }
  }

  /** For its slice, its window, its group, or what goes first. */
  private mustWait(rollout: PureRollout, position: number, isOffered: boolean): boolean {
    const isShut = (at: number): boolean =>
      !this.toldOf(rollout, at).understandsWindows && rollout.isWindowClosed(at, "install");
    if (rollout.isHeld(position) || isShut(position)) return true;
    if (isOffered) return false;
    if (isKept(rollout, rollout.devices[position] ?? -1, this.isPlanted)) return true;
    const verdict = rollout.groupVerdict(position, (at) => {
      return this.toldOf(rollout, at).presence === "online" && !isShut(at);
    });
    return verdict.kind !== "offer";
  }

  /** By a rollout that has its device first; one that has lost it ends. */
  private isRivalled(rollout: PureRollout, position: number): boolean {
    const rivalry = rivalryAt(rollout, position, this.rollouts, this.isPlanted);
    if (rivalry === "outdone") this.outdo(rollout, position);
    return rivalry !== "free";
  }

  private settleGroups(rollout: PureRollout, whom: "still" | "all"): void {
    const toldOf = (position: number): Told => this.toldOf(rollout, position);
    for (const { position, state, duty } of groupDuties(rollout, toldOf, whom)) {
      this.hooks.changing?.(rollout);
      this.hooks.happened?.(state, duty === "go-back" ? "goes back" : "kept back");
      const settle = duty === "go-back" ? beginWayBack : keepBack;
      settle(rollout.page, position, rollout.nowTicks);
      this.forget(rollout, position);
    }
  }

  private outdo(rollout: PureRollout, position: number): void {
    this.hooks.changing?.(rollout);
    this.hooks.happened?.(rollout.page.state[position] ?? 0, "outdone");
    outdo(rollout.page, position, rollout.nowTicks);
    this.forget(rollout, position);
  }

  private draw(device: number): number {
    const generation = (this.lastGeneration[device] ?? 0) + 1;
    this.lastGeneration[device] = generation;
    return generation;
  }

  private carryOut(rollout: PureRollout, effect: RolloutEffect): void {
    this.hooks.effect(rollout, effect);
    switch (effect.kind) {
      case "open-wave":
      case "ask-analysis":
        break;
      case "raise-stop-epoch":
        rollout.devices.forEach((_, position) => this.forget(rollout, position));
        break;
      case "cancel-pending":
        this.close(rollout, [ATTEMPT.pending], ATTEMPT.cancelled, closingReason(rollout.progress));
        break;
      case "give-up-pending":
        this.close(rollout, [ATTEMPT.pending], ATTEMPT.unreachable, "never-reached");
        break;
      case "close-unaccepted": {
        const reason =
          effect.as === "cancelled" ? closingReason(rollout.progress) : "never-reached";
        this.close(rollout, [ATTEMPT.pending, ATTEMPT.offered], ATTEMPT[effect.as], reason);
        break;
      }
      case "begin-rollback":
        this.beginRollback(rollout);
        break;
      case "window-opened":
        skipClosedTime(rollout.page, {
          ...effect,
          zoneAt: (at) => (rollout.isGoingBack(at) ? -1 : (rollout.zoneIndexes[at] ?? -1)),
          closedAtTicks: Math.floor(effect.closedAtMs / PAGE_TICK_MS),
          nowTicks: rollout.nowTicks,
        });
        break;
      case "ended":
        this.end(rollout);
    }
  }

  private close(rollout: PureRollout, from: number[], to: number, reason: string): void {
    const { page, nowTicks } = rollout;
    for (const state of page.state) {
      if (from.includes(state)) this.hooks.happened?.(state, closedAs(to));
    }
    closeUnaccepted(page, { from, to, reason, nowTicks });
  }

  private beginRollback(parent: PureRollout): void {
    const chosen = chooseRollback(parent.cells(), this.isPlanted).filter(
      ({ previous }) => previous !== UNKNOWN_RELEASE,
    );
    const count = chosen.length;
    const why = parent.progress.stateReason;
    if (count === 0) {
      const succeeded = countNotBack(parent.cells(), () => null) === 0;
      this.step(parent, { kind: "rollback-ended", succeeded, why });
      return;
    }
    const { spec, waves, limits } = planRollback(parent.frame.spec, count);
    const child = new PureRollout({
      number: parent.number + 1,
      spec,
      waves,
      limits,
      devices: chosen.map(({ position }) => parent.devices[position] ?? -1),
      targets: chosen.map(({ previous }) => previous),
      sites: chosen.map(({ position }) => parent.siteAt(position)),
      parent,
      slot: parent.slot,
      offerLifetimeMs: parent.frame.offerLifetimeMs,
      isPlanted: this.isPlanted,
    });
    parent.child = child;
    this.rollouts.push(child);
    this.step(child, { kind: "start" });
  }

  private end(rollout: PureRollout): void {
    this.justEnded.push(rollout);
    const underWay = [];
    for (let state = ATTEMPT.accepted; state <= ATTEMPT.verifying; state++) underWay.push(state);
    this.close(rollout, underWay, ATTEMPT.superseded, "rollout-stopped");
    const { parent } = rollout;
    if (parent === null || parent.progress.state !== "rolling-back") return;
    this.sweep(parent);
    const notBack = countNotBack(parent.cells(), (position) => {
      const inRollback = rollout.devices.indexOf(parent.devices[position] ?? -1);
      return inRollback === -1 ? null : (rollout.page.state[inRollback] ?? 0);
    });
    const succeeded = rollout.progress.state === "succeeded" && notBack === 0;
    const why = `${parent.progress.stateReason}; ${notBack} did not go back`;
    this.step(parent, { kind: "rollback-ended", succeeded, why });
  }
}
