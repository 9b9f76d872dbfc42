// SPDX-License-Identifier: Apache-2.0
/**
 * The rollout loop: the one writer of everything that rollouts change. Each cycle takes what has
 * arrived (reports, device states, returned leases, commands, time), lets the pure engine decide,
 * stores all of it in one commit under the leader's fence, and only then acts: sends leases, raises
 * stop epochs, answers commands. A crash between any two of these steps loses nothing: reports are
 * read again, offered attempts are leased again under their generation.
 */
import { isEnded, isUnstarted } from "../../domain/rollout.ts";
import type { Clock } from "../../ports/clock.ts";
import { delay } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Fence, Store } from "../../ports/store.ts";
import { isMusterError } from "../../domain/errors.ts";
import type { ReportSet } from "../ingest/report-record.ts";
import type { FleetTable } from "../state/fleet-table.ts";
import type { AnalysisDesk } from "./analysis-desk.ts";
import { CycleCommit, type DetailWrite } from "./cycle-commit.ts";
import { applyReports, applyReturns, applyStates, type ReportOutcome } from "./cycle-intake.ts";
import { dispatch } from "./dispatcher.ts";
import type { Lease, LeaseDesk } from "./lease-desk.ts";
import type { CommandItem, InboxItem, LoopInbox } from "./loop-inbox.ts";
import { loadLoopState, loadRollout, type LoadOptions, type LoopState } from "./loop-state.ts";
import { createEvidence, createGroupView, createRunningView } from "./evidence.ts";
import type { LeaseMessage, OfferDesk } from "./offer-desk.ts";
import { takeJoiners } from "./joiner-desk.ts";
import { withdrawLeavers } from "./leaver-desk.ts";
import type { OpenRollout } from "./open-rollout.ts";
import { Predecessors } from "./predecessors.ts";
import { createPlaceGuard } from "./place-guard.ts";
import { eventOf, refusal } from "./rollout-commands.ts";
import { readRollout, rolloutKey } from "./rollout-record.ts";
import { outdoLosers } from "./rivals.ts";
import { lossOf } from "./pruned-attempts.ts";
import { RolloutStepper, type RaisedEpoch } from "./rollout-stepper.ts";
import type { ReleaseByDigest } from "./previous-target.ts";
import { WallTime } from "./wall-time.ts";

/** Of an epoch that was raised now, not repeated. */
export interface StopOrigin extends RaisedEpoch {
  /** Of the devices with an offer: no lease of a connected gateway had it. */
  readonly notConnected: number;
}

/** What the loop tells the gateways, after it is stored. */
export interface LoopOutputs {
  /** False when the gateway's stream is gone. */
  sendLease(message: LeaseMessage): boolean;
  raiseStopEpoch(rolloutNumber: number, stopEpoch: number, origin?: StopOrigin): void;
  renewLeases(gatewayNumber: number, renew: readonly string[], forget: readonly string[]): void;
  /** Watchers of this rollout read it again. */
  rolloutChanged(key: string): void;
}

export interface LoopMetrics {
  reportsApplied(counts: { readonly [outcome in ReportOutcome]: number }): void;
  cycle(seconds: number): void;
  openRollouts(count: number): void;
}

/** How long the loop rests when nothing wakes it: the grain of deadlines and soaks. */
const TICK_MS = 200;
/** A leader that was stopped for longer was not leading: its rollouts' clocks do not count it. */
const MAX_ELAPSED_MS = 2_000;
const RETRY_MS = 1_000;

export interface RolloutLoopOptions {
  readonly store: Store;
  readonly load: Omit<LoadOptions, "signal">;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fence: Fence;
  readonly fleet: FleetTable;
  readonly desk: LeaseDesk;
  readonly offers: Pick<OfferDesk, "write">;
  readonly inbox: LoopInbox;
  readonly outputs: LoopOutputs;
  readonly metrics: LoopMetrics;
  readonly analyses: Pick<AnalysisDesk, "keep">;
  readonly releaseByDigest: ReleaseByDigest;
  readonly newLeaseId: () => string;
  readonly faultPoint: (name: string) => void;
  readonly isPlanted: (name: string) => boolean;
  readonly leaseLifetimeMs: number;
  /** Most of a cycle's time that counts; default 2 s. On virtual time a cycle may be long. */
  readonly maxElapsedMs?: number;
  /** Default 200; at most what may elapse. */
  readonly tickMs?: number;
}

export class RolloutLoop {
  private readonly options: RolloutLoopOptions;
  private state: LoopState;
  private lastCycleAtMs: number;
  private renewedAtMs = 0;
  private isLogAway = false;
  private readonly wallTime: WallTime;
  /** What rollouts under way wait for. */
  readonly predecessors: Predecessors;

  private constructor(options: RolloutLoopOptions, state: LoopState) {
    this.options = options;
    this.state = state;
    this.lastCycleAtMs = options.clock.monotonicMs();
    this.predecessors = new Predecessors(options.store);
    this.wallTime = new WallTime(options.clock);
  }

  static async open(options: RolloutLoopOptions, signal: AbortSignal): Promise<RolloutLoop> {
    const { load, releaseByDigest } = options;
    return new RolloutLoop(options, await loadLoopState({ ...load, releaseByDigest, signal }));
  }

  /** By rollout number: what the API shows of a rollout that is under way. */
  openRollout(rolloutNumber: number): OpenRollout | undefined {
    return this.state.open.get(rolloutNumber);
  }

  get openRollouts(): Iterable<OpenRollout> {
    return this.state.open.values();
  }

  /** Reports were appended to the EventLog: the next cycle reads them. */
  reportsAppended(): void {
    this.state.consumer.notify();
    this.options.inbox.wake();
  }

  get running(): LoopState["running"] {
    return this.state.running;
  }

  get digests(): LoopState["digests"] {
    return this.state.digests;
  }

  /** Runs until the signal aborts. Rejects when another leader has taken over. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, inbox, logger, tickMs = TICK_MS } = this.options;
    while (!signal.aborted) {
      await inbox.wait((fire) => clock.setTimer(tickMs, fire));
      try {
        await this.cycle(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!isRecoverable(error)) throw error;
        logger.error("a cycle of the rollout loop could not be stored; it is repeated", { error });
        await this.recover(signal);
      }
    }
  }

  /** No cycle runs on what was not stored: a Store that cannot be read yet is asked again. */
  private async recover(signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.options;
    for (;;) {
      await delay(clock, RETRY_MS, signal).catch(() => undefined);
      if (signal.aborted) return;
      try {
        return await this.reload(signal);
      } catch (error) {
        if (signal.aborted) return;
        if (!isRecoverable(error)) throw error;
        logger.error("the rollout loop could not read the Store; it is read again", { error });
      }
    }
  }

  /**
   * Whether the commit took place may be unknown. So no lease counts as given: offers are leased
   * again, under their generation. And gateways are told every stop epoch again.
   */
  private async reload(signal: AbortSignal): Promise<void> {
    const { load, releaseByDigest } = this.options;
    this.state = await loadLoopState({ ...load, releaseByDigest, signal }, this.state);
    this.options.desk.dropAll();
    for (const [number, { record }] of this.state.open) {
      const { stopEpoch } = record.progress;
      if (stopEpoch > 0) this.options.outputs.raiseStopEpoch(number, stopEpoch);
    }
  }

  private async cycle(signal: AbortSignal): Promise<void> {
    const { clock, store, fence, faultPoint, metrics } = this.options;
    const startedAtMs = clock.monotonicMs();
    const { maxElapsedMs = MAX_ELAPSED_MS } = this.options;
    const passedMs = Math.min(startedAtMs - this.lastCycleAtMs, maxElapsedMs);
    this.lastCycleAtMs = startedAtMs;
    const items = this.options.inbox.take();
    let commands = items.filter((item): item is CommandItem => item.kind === "command");
    try {
      commands = await this.openCommanded(commands, signal);
      await this.predecessors.refresh([...this.state.open.values()], signal);
      const details = this.takeIn(items, await this.takeReports(startedAtMs, signal));
      // Reports cannot come: whoever does not answer now is not late.
      const elapsedMs = this.isLogAway ? 0 : passedMs;
      await nextTurn();
      const commit = new CycleCommit(this.state, fence, details);
      takeJoiners(items, this.state.open, commit);
      withdrawLeavers(items, this.state.open, commit);
      const stepper = this.stepper(commit);
      const wallMs = this.wallTime.nowMs();
      const answers = commands.map((command) => this.carryOut(command, stepper, wallMs));
      for (const item of items) if (item.kind === "answer") stepper.takeAnswer(item);
      stepper.advance({ elapsedMs, wallMs });
      await nextTurn();
      const stops = stepper.stopEpochs.map((raised) => this.withdrawLeases(raised));
      const messages = this.write(this.dispatchAll());
      faultPoint("center.loop.decided");
      if (this.options.isPlanted("audit.apart")) await commit.storeAuditApart(store, signal);
      const stored = await commit.store(store, startedAtMs, signal);
      items.length = 0;
      faultPoint("center.loop.persisted");
      for (const answer of answers) answer();
      for (const origin of stops) {
        this.options.outputs.raiseStopEpoch(origin.rollout, origin.stopEpoch, origin);
      }
      await this.send(messages);
      faultPoint("center.loop.acted");
      this.renewLeases(startedAtMs);
      this.options.analyses.keep(this.state.open.values());
      for (const key of stored.changedKeys) this.options.outputs.rolloutChanged(key);
      this.closeEnded();
      await this.state.consumer.trim(startedAtMs, signal);
    } catch (error) {
      for (const command of commands) command.reject(error);
      // Gateways tell a device's state once: what was not stored is taken again.
      this.options.inbox.putBack(items.filter((item) => item.kind !== "command"));
      throw error;
    }
    metrics.openRollouts(this.state.open.size);
    metrics.cycle((clock.monotonicMs() - startedAtMs) / 1_000);
  }

  /** None while the EventLog is away: commands are carried out all the same, a stop above all. */
  private async takeReports(nowMs: number, signal: AbortSignal): Promise<ReportSet[]> {
    const { logger } = this.options;
    const reports = await this.state.consumer.take(nowMs, signal);
    const { failure } = this.state.consumer;
    if (failure !== null && !this.isLogAway) {
      logger.error("the event log is away; deadlines and soaks stand still", { error: failure });
    }
    if (failure === null && this.isLogAway) logger.info("the event log is back");
    this.isLogAway = failure !== null;
    return reports;
  }

  private takeIn(items: readonly InboxItem[], reports: readonly ReportSet[]): DetailWrite[] {
    const { fleet, desk, isPlanted, metrics } = this.options;
    const intake = { state: this.state, fleet, desk, isPlanted };
    applyStates(intake, items);
    applyReturns(intake, items);
    const { details, outcomes } = applyReports(intake, reports);
    metrics.reportsApplied(outcomes);
    return details;
  }

  private stepper(commit: CycleCommit): RolloutStepper {
    const { clock, load, isPlanted, fleet, desk } = this.options;
    return new RolloutStepper({
      state: this.state,
      commit,
      clock,
      offerLifetimeMs: load.offerLifetimeMs,
      isPlanted,
      view: (rollout) => ({
        ...createEvidence(rollout, this.state, fleet, desk),
        ...createRunningView(rollout, this.state, fleet),
        ...createGroupView(rollout, this.state, fleet),
        isPlanted,
      }),
    });
  }

  /**
   * Rollouts that a command names and that are not open yet (planned, or ended) are loaded.
   * Answers the commands that can be carried out: where attempts were deleted none can.
   */
  private async openCommanded(
    commands: readonly CommandItem[],
    signal: AbortSignal,
  ): Promise<CommandItem[]> {
    const possible: CommandItem[] = [];
    for (const command of commands) {
      const key = rolloutKey(command.tenant, command.name);
      const isOpen = [...this.state.open.values()].some((rollout) => rollout.key === key);
      const document = isOpen
        ? null
        : await this.options.store.getDocument("rollout", key, { signal });
      const record = document === null ? null : readRollout(document);
      if (record !== null && record.pruned !== null) {
        command.reject(refusal(command, record.progress.state, lossOf(record.pruned)));
        continue;
      }
      possible.push(command);
      if (document === null || record === null || record.progress.state === "draft") continue;
      const { previousTarget } = this.state;
      const load = { ...this.options.load, previousTarget, signal };
      this.state.open.set(record.number, await loadRollout(load, record, document.revision));
    }
    return possible;
  }

  /** Takes the command's effect; what it returns is called when that is stored. */
  private carryOut(command: CommandItem, stepper: RolloutStepper, wallMs: number): () => void {
    const key = rolloutKey(command.tenant, command.name);
    const rollout = [...this.state.open.values()].find((open) => open.key === key);
    try {
      if (rollout === undefined) {
        throw refusal(command, "not planned", "plan it first, or check its name");
      }
      const event = eventOf(command, rollout, wallMs);
      if (event !== null) stepper.take(rollout, event, command);
      return () => command.resolve(rollout.record);
    } catch (error) {
      return () => command.reject(error);
    }
  }

  private withdrawLeases(raised: RaisedEpoch): StopOrigin {
    const { desk } = this.options;
    const notConnected = Math.max(0, raised.offeredCount - desk.coveredCount(raised.rollout));
    desk.dropRollout(raised.rollout);
    return { ...raised, notConnected };
  }

  private dispatchAll(): { rollout: OpenRollout; lease: Lease }[] {
    const { fleet, desk, newLeaseId, isPlanted } = this.options;
    const { running } = this.state;
    const leases: { rollout: OpenRollout; lease: Lease }[] = [];
    const places = createPlaceGuard(this.state.open.values(), fleet);
    const openRollouts = [...this.state.open.values()];
    outdoLosers(openRollouts);
    const { predecessors } = this;
    const shared = { fleet, running, desk, places, newLeaseId };
    const dispatcher = { ...shared, openRollouts, predecessors };
    for (const rollout of openRollouts) {
      for (const lease of dispatch(rollout, { ...dispatcher, isPlanted })) {
        leases.push({ rollout, lease });
      }
    }
    return leases;
  }

  /** Trees over offers are built while the commit is made durable; nothing leaves before it is. */
  private write(
    leases: readonly { rollout: OpenRollout; lease: Lease }[],
  ): Promise<LeaseMessage>[] {
    return leases.map(({ rollout, lease }) => {
      const message = this.options.offers.write(rollout, lease);
      message.catch(() => undefined); // of a cycle that is not stored nobody wants to know
      return message;
    });
  }

  private async send(messages: readonly Promise<LeaseMessage>[]): Promise<void> {
    const { outputs, desk } = this.options;
    for (const written of messages) {
      const message = await written;
      // Its stream ended meanwhile: the attempts stay offered, and are leased to wherever their
      // devices reappear.
      if (!desk.has(message.lease.id)) continue;
      if (!outputs.sendLease(message)) desk.drop(message.lease);
      // A lease takes its time on the wire: whoever waits is served in between.
      await nextTurn();
    }
  }

  private renewLeases(nowMs: number): void {
    const { desk, outputs, leaseLifetimeMs } = this.options;
    if (nowMs - this.renewedAtMs < leaseLifetimeMs / 3) return;
    this.renewedAtMs = nowMs;
    for (const [gatewayNumber, { renew, forget }] of desk.renewals()) {
      outputs.renewLeases(gatewayNumber, renew, forget);
    }
  }

  private closeEnded(): void {
    for (const [number, rollout] of this.state.open) {
      const { state } = rollout.record.progress;
      if (!isEnded(state) && !isUnstarted(state)) continue;
      this.options.desk.dropRollout(number);
      this.state.open.delete(number);
    }
  }
}

/** After these the loop reads the Store again and goes on; anything else ends the process. */
function isRecoverable(error: unknown): boolean {
  return isMusterError(error) && ["no_space", "unavailable", "conflict"].includes(error.code);
}

/** Lets everybody else have their turn. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
