// SPDX-License-Identifier: Apache-2.0
/**
 * Feeds open rollouts to the engine and carries out, in memory, what it decides; the cycle's commit
 * stores the result, its audit entries included.
 */
import { ATTEMPT } from "../../domain/attempt.ts";
import { countNotBack } from "../../domain/rollback.ts";
import { isEnded, isUnstarted } from "../../domain/rollout.ts";
import type { RolloutEffect } from "../../domain/rollout-effect.ts";
import { stepRollout, type RolloutEvent } from "../../domain/rollout-engine.ts";
import { closingReason } from "../../domain/rollout-schedule.ts";
import { countOf } from "../../domain/units.ts";
import type { Clock } from "../../ports/clock.ts";
import { approvalOf } from "./approval.ts";
import type { CycleCommit } from "./cycle-commit.ts";
import { settleFailedGroups, type GroupView } from "./device-groups.ts";
import type { AnswerItem, CommandItem } from "./loop-inbox.ts";
import type { LoopState } from "./loop-state.ts";
import type { OpenRollout, SweepView } from "./open-rollout.ts";
import { makeRollback, rollbackName } from "./rollback-maker.ts";

const ENGINE = "system:rollout-engine";
/** Steps without time passing that one rollout may take in a cycle: its waves, at most. */
const MAX_STEPS = 64;

/** An order to offer nothing more under older epochs. */
export interface RaisedEpoch {
  readonly rollout: number;
  readonly key: string;
  readonly stopEpoch: number;
  /** The command, or the engine's decision; monotonic. */
  readonly sinceMs: number;
  /** Devices that had an offer and had not answered. */
  readonly offeredCount: number;
}

export interface RolloutStepperOptions {
  readonly state: LoopState;
  readonly commit: CycleCommit;
  readonly clock: Clock;
  readonly offerLifetimeMs: number;
  readonly view: (rollout: OpenRollout) => SweepView & GroupView;
  /** Test-only switches for planted bugs; false in production. */
  readonly isPlanted: (name: string) => boolean;
}

export class RolloutStepper {
  /** To be told to gateways once stored. */
  readonly stopEpochs: RaisedEpoch[] = [];
  private readonly options: RolloutStepperOptions;
  /** When the command that is carried out was received; null: the engine decides by itself. */
  private commandedAtMs: number | null = null;

  constructor(options: RolloutStepperOptions) {
    this.options = options;
  }

  /** A command of an operator, already found to fit the rollout's state. */
  take(rollout: OpenRollout, event: RolloutEvent, command: CommandItem): void {
    if (command.action === "start") {
      rollout.record = { ...rollout.record, startedAtMs: this.options.clock.wallMs() };
    }
    const { digest } = rollout.plan;
    if (command.action === "approve") {
      const approval = approvalOf(command, rollout, this.options.clock.wallMs());
      rollout.record = { ...rollout.record, approval };
    }
    this.audit(rollout, command.action, command.actor, command.reason, { digest });
    this.commandedAtMs = command.receivedAtMs;
    this.step(rollout, event);
    this.commandedAtMs = null;
  }

  /** Of a rollout that has ended meanwhile nobody wants to know any more. */
  takeAnswer({ rollout: number, answer }: AnswerItem): void {
    const rollout = this.options.state.open.get(number);
    const policy = rollout?.record.spec.gate.analysis;
    if (rollout === undefined || policy === undefined || policy === null) return;
    const { verdict, reason, wave } = answer;
    const detail = { wave: wave + 1, verdict, url: policy.url };
    this.audit(rollout, "take-analysis", ENGINE, reason, detail);
    this.step(rollout, answer);
  }

  /** Time passes for every open rollout; repeated while waves open without waiting. */
  advance({ elapsedMs, wallMs }: { elapsedMs: number; wallMs: number }): void {
    for (const rollout of Array.from(this.options.state.open.values())) {
      const { state } = rollout.record.progress;
      if (isEnded(state) || isUnstarted(state)) continue;
      const view = this.options.view(rollout);
      rollout.sweep(view);
      // Before the engine looks: who is to go back is not done, and a rollout does not end over it.
      this.settleGroups(rollout, view, "still");
      this.step(rollout, { kind: "tick", elapsedMs, wallMs });
      for (let steps = 0; steps < MAX_STEPS; steps++) {
        const before = rollout.record.progress;
        if (isEnded(before.state)) break;
        this.step(rollout, { kind: "tick", elapsedMs: 0, wallMs });
        const after = rollout.record.progress;
        if (after.state === before.state && after.waveCount === before.waveCount) break;
      }
      this.settleGroups(rollout, view, "all");
    }
  }

  private settleGroups(rollout: OpenRollout, view: GroupView, whom: "still" | "all"): void {
    const ordinals = settleFailedGroups(rollout, view, whom);
    if (ordinals.length === 0) return;
    this.audit(rollout, "return-group", ENGINE, "one that they move together with has failed", {
      deviceCount: ordinals.length,
      firstOrdinal: ordinals[0] ?? 0,
    });
  }

  private step(rollout: OpenRollout, event: RolloutEvent): void {
    const { frame, record, counts } = rollout;
    const { isPlanted } = this.options;
    const before = record.progress;
    const step = stepRollout(frame, before, counts, event, isPlanted, rollout.sight);
    const { progress, effects } = step;
    rollout.record = { ...rollout.record, progress };
    for (const effect of effects) this.carryOut(rollout, effect);
  }

  private carryOut(rollout: OpenRollout, effect: RolloutEffect): void {
    switch (effect.kind) {
      case "open-wave":
        this.audit(rollout, "open-wave", ENGINE, `wave ${effect.wave + 1}`);
        break;
      case "ask-analysis":
        this.audit(rollout, "ask-analysis", ENGINE, `before wave ${effect.wave + 1}`);
        break;
      case "raise-stop-epoch":
        this.stopEpochs.push({
          rollout: rollout.record.number,
          key: rollout.key,
          stopEpoch: effect.stopEpoch,
          sinceMs: this.commandedAtMs ?? this.options.clock.monotonicMs(),
          offeredCount: rollout.total.byState[ATTEMPT.offered] ?? 0,
        });
        this.audit(rollout, "withhold-offers", ENGINE, rollout.record.progress.stateReason);
        break;
      case "cancel-pending":
        rollout.close([ATTEMPT.pending], ATTEMPT.cancelled, closingReason(rollout.record.progress));
        break;
      case "give-up-pending":
        rollout.close([ATTEMPT.pending], ATTEMPT.unreachable, "never-reached");
        break;
      case "close-unaccepted":
        rollout.close(
          [ATTEMPT.pending, ATTEMPT.offered],
          ATTEMPT[effect.as],
          effect.as === "cancelled" ? closingReason(rollout.record.progress) : "never-reached",
        );
        break;
      case "begin-rollback":
        this.beginRollback(rollout);
        break;
      case "window-opened":
        rollout.windowOpened(effect);
        break;
      default:
        this.end(rollout);
    }
  }

  private beginRollback(parent: OpenRollout): void {
    const { state, commit, clock, offerLifetimeMs, isPlanted } = this.options;
    const number = parent.record.number + 1; // reserved for it when the parent was created
    const rollback = makeRollback({
      parent,
      number,
      name: rollbackName(parent.record.name, number),
      previousTarget: state.previousTarget,
      clock,
      offerLifetimeMs,
      isPlanted,
    });
    if (rollback === null) {
      const unsettled = notBack(parent, null);
      const outcome =
        unsettled === 0
          ? "no device had to go back"
          : `what ${unsettled} devices ran before is unknown, none can be put back`;
      this.step(parent, {
        kind: "rollback-ended",
        succeeded: unsettled === 0,
        why: `${parent.record.progress.stateReason}; ${outcome}`,
      });
      return;
    }
    parent.record = { ...parent.record, child: rollback.record.name };
    state.open.set(number, rollback);
    commit.addPlan(rollback);
    const { digest, deviceCount } = rollback.plan;
    this.audit(rollback, "plan", ENGINE, parent.record.progress.stateReason, {
      digest,
      deviceCount,
      parent: parent.record.name,
    });
    this.audit(rollback, "start", ENGINE, parent.record.progress.stateReason);
    this.step(rollback, { kind: "start" });
  }

  private end(rollout: OpenRollout): void {
    const { record } = rollout;
    rollout.record = { ...record, endedAtMs: this.options.clock.wallMs() };
    // A rollback took these over; nothing more will be heard of them under this rollout.
    const underWay = [
      ATTEMPT.accepted,
      ATTEMPT.downloading,
      ATTEMPT.downloaded,
      ATTEMPT.waiting,
      ATTEMPT.installing,
      ATTEMPT.verifying,
    ];
    rollout.close(underWay, ATTEMPT.superseded, "rollout-stopped");
    const { state, stateReason } = record.progress;
    this.audit(rollout, "end", ENGINE, stateReason, {
      state,
      maxUnproven: record.progress.maxUnproven,
    });
    if (record.parent !== "") this.tellParent(rollout);
  }

  private tellParent(rollback: OpenRollout): void {
    const { tenant, parent } = rollback.record;
    const open = [...this.options.state.open.values()].find(
      ({ record }) => record.tenant === tenant && record.name === parent,
    );
    if (open === undefined || open.record.progress.state !== "rolling-back") return;
    open.sweep(this.options.view(open));
    const unsettled = notBack(open, rollback);
    const succeeded = rollback.record.progress.state === "succeeded" && unsettled === 0;
    const back = rollback.total.byState[ATTEMPT.succeeded] ?? 0;
    const { stateReason } = open.record.progress;
    const why = succeeded
      ? `${stateReason}; every exposed device is back on what it ran before`
      : `${stateReason}; ${countOf(back, "device")} went back, ${unsettled} did not`;
    this.step(open, { kind: "rollback-ended", succeeded, why });
  }

  private audit(
    rollout: OpenRollout,
    verb: string,
    actor: string,
    reason: string,
    detail: { [key: string]: string | number } = {},
  ): void {
    this.options.commit.audit({
      tenant: rollout.record.tenant,
      actor,
      action: `rollout.${verb}`,
      subject: `rollout/${rollout.key}`,
      reason,
      detail: { number: rollout.record.number, ...detail },
    });
  }
}

/** `rollback` null: there was nothing that could be put back. */
function notBack(parent: OpenRollout, rollback: OpenRollout | null): number {
  return countNotBack(parent.cells(), (position) => {
    const inRollback = rollback?.positionOf(parent.ordinalAt(position)) ?? -1;
    return rollback === null || inRollback < 0 ? null : rollback.stateAt(inRollback);
  });
}
