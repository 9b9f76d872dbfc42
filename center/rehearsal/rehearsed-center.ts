// SPDX-License-Identifier: Apache-2.0
/**
 * The center of a rehearsal: the rollout loop as it runs in production, on a Store and an EventLog
 * of its own and on virtual time; its gateways hand leases to the model fleet. Nothing it does
 * leaves this object.
 */
import { create } from "@bufbuild/protobuf";
import { assert } from "../../domain/assert.ts";
import type { ReportedPhase } from "../../domain/attempt-step.ts";
import { SeededRandom } from "../../domain/seeded-random.ts";
import type { EventLog } from "../../ports/event-log.ts";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import type { Store } from "../../ports/store.ts";
import { REPORT_PHASES } from "../../protocol/device/report.ts";
import {
  ReportBatchSchema,
  ReportDetailSchema,
  type ReportBatch,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { packReports } from "../../protocol/link/report-columns.ts";
import { MAX_BATCH_REPORTS, ReportSet } from "../ingest/report-record.ts";
import { LeaseDesk } from "../rollouts/lease-desk.ts";
import {
  LoopInbox,
  oneState,
  type AnswerItem,
  type CommandAction,
  type JoinersItem,
} from "../rollouts/loop-inbox.ts";
import type { LeaseMessage } from "../rollouts/offer-desk.ts";
import type { OpenRollout } from "../rollouts/open-rollout.ts";
import { RolloutLoop, type LoopOutputs } from "../rollouts/rollout-loop.ts";
import { FleetTable } from "../state/fleet-table.ts";
import { ModelFleet, type FleetVoice, type OfferedWork } from "./model-fleet.ts";
import { RehearsalClock } from "./rehearsal-clock.ts";
import type { RehearsalScript, Scenario } from "./rehearsal.ts";

/** Three heartbeats of five seconds: a shorter absence breaks no soak. */
const GAP_MS = 15_000;
/** A rehearsal may pass hours in one cycle: there is no leader that could have been away. */
const MAX_ELAPSED_MS = 86_400_000;
const FAILED_REASON = "health-check-failed";

/** The loop goes on when the rehearsal says so: one cycle a step. */
class SteppedInbox extends LoopInbox {
  private resume: (() => void) | null = null;
  private idle: (() => void) | null = null;

  override wait(): Promise<void> {
    this.idle?.();
    this.idle = null;
    return new Promise((resolve) => {
      this.resume = resolve;
    });
  }

  /** The loop looks at its signal, if it has not ended by itself. */
  letGo(): void {
    this.resume?.();
  }

  /** Begins a cycle; resolves when it is over. */
  step(): Promise<void> {
    const { resume } = this;
    assert(resume !== null, "the loop waits for its next cycle");
    this.resume = null;
    return new Promise((resolve) => {
      this.idle = resolve;
      resume();
    });
  }
}

export class RehearsedCenter implements AsyncDisposable {
  readonly clock: RehearsalClock;
  readonly fleet: ModelFleet;
  private readonly script: RehearsalScript;
  private readonly store: Store;
  private readonly log: EventLog;
  private readonly inbox = new SteppedInbox();
  private readonly table: FleetTable;
  private readonly deviceByOrdinal = new Map<number, number>();
  private readonly desk = new LeaseDesk();
  private readonly stop = new AbortController();
  private loop!: RolloutLoop;
  private ended: Promise<unknown> = Promise.resolve();
  private batch: ReportBatch = create(ReportBatchSchema, {});
  private leaseCount = 0;
  private opened: OpenRollout | undefined;

  private constructor(script: RehearsalScript, scenario: Scenario, store: Store, log: EventLog) {
    this.script = script;
    this.store = store;
    this.log = log;
    this.clock = new RehearsalClock(script.startAtMs);
    this.table = new FleetTable({
      clock: this.clock,
      isGatewayOnline: () => true,
      gapMs: GAP_MS,
      settleMs: 0,
      firstFence: 1,
    });
    script.ordinals.forEach((ordinal, device) => this.deviceByOrdinal.set(ordinal, device));
    const { model, startAtMs, rolloutNumber, spec } = script;
    const random = new SeededRandom(scenario.seed);
    this.fleet = new ModelFleet(
      {
        model,
        scenario,
        random,
        voice: this.voice(),
        startAtMs,
        rolloutNumber,
        bandwidth: spec.bandwidth,
      },
      script.ordinals.length,
    );
  }

  /** Store and log are the rehearsal's own, and empty. */
  static async open(
    script: RehearsalScript,
    scenario: Scenario,
    ports: { store: Store; log: EventLog },
  ): Promise<RehearsedCenter> {
    const center = new RehearsedCenter(script, scenario, ports.store, ports.log);
    const { signal } = center.stop;
    const { documents, pages } = script;
    const stored = await ports.store.commit({ documents, pages }, { signal });
    assert(stored.ok, "the store of a rehearsal is empty");
    center.loop = await center.openLoop(signal);
    center.ended = center.loop.run(signal).catch((error: unknown) => error);
    return center;
  }

  /** Starts the rollout. */
  start(): void {
    this.fleet.begin();
    this.command("start", this.script.name);
  }

  /** What an operator does; it is done after the next step. */
  command(action: CommandAction, name: string): void {
    this.inbox.put({
      kind: "command",
      receivedAtMs: this.clock.monotonicMs(),
      tenant: this.script.tenant,
      name,
      action,
      planDigest: "",
      actor: "system:rehearsal",
      reason: "rehearsal",
      resolve: () => {},
      reject: (error) => this.stop.abort(error),
    });
  }

  /** Time passes until `nowMs`: devices act, then the loop does one cycle. */
  async step(nowMs: number): Promise<void> {
    this.fleet.advance(nowMs);
    this.clock.nowMs = nowMs;
    await this.appendReports();
    this.loop.reportsAppended();
    const failure = await Promise.race([this.inbox.step(), this.ended]);
    if (failure !== undefined) throw failure;
    this.stop.signal.throwIfAborted();
  }

  /** The rehearsed rollout, from its start on; it stays as it was at its end. */
  get rollout(): OpenRollout {
    this.opened ??= this.loop.openRollout(this.script.rolloutNumber);
    assert(this.opened !== undefined, "the rehearsed rollout was started");
    return this.opened;
  }

  /** Every rollout that is open now: this one, its rollback, and those of the script beside it. */
  get openRollouts(): Iterable<OpenRollout> {
    return this.loop.openRollouts;
  }

  /** Devices that the selector names since the plan was made; the script has them behind it. */
  join(item: Omit<JoinersItem, "kind" | "strangers">): void {
    this.inbox.put({ kind: "joiners", strangers: [], ...item });
  }

  /** What came back for the question of a gate. */
  answer(item: Omit<AnswerItem, "kind">): void {
    this.inbox.put({ kind: "answer", ...item });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    this.inbox.letGo();
    await this.ended;
    await this.log.close();
    await this.store.close();
  }

  private async openLoop(signal: AbortSignal): Promise<RolloutLoop> {
    const { store, log, clock, script } = this;
    const { offerLifetimeMs, leaseLifetimeMs } = script;
    return RolloutLoop.open(
      {
        store,
        load: { store, log, clock, offerLifetimeMs },
        fence: await store.acquireFence("leader", { signal }),
        clock,
        logger: SILENT_LOGGER,
        fleet: this.table,
        desk: this.desk,
        inbox: this.inbox,
        offers: { write: unsigned },
        outputs: this.outputs(),
        metrics: { reportsApplied: () => {}, cycle: () => {}, openRollouts: () => {} },
        // What was put back is known by its digest alone.
        releaseByDigest: (digest) => ({ release: digest, manifestBytes: 1, downloadBytes: 1 }),
        newLeaseId: () => `rehearsal-${++this.leaseCount}`,
        // Nobody outside is asked: who plays the script answers, where it has an analysis.
        analyses: { keep: () => {} },
        faultPoint: () => {},
        isPlanted: () => false,
        leaseLifetimeMs,
        maxElapsedMs: MAX_ELAPSED_MS,
      },
      signal,
    );
  }

  private outputs(): LoopOutputs {
    return {
      sendLease: (message) => {
        this.handOut(message);
        return true;
      },
      raiseStopEpoch: (rollout) => this.fleet.withdraw(rollout),
      renewLeases: () => {},
      rolloutChanged: () => {},
    };
  }

  private handOut({ lease, ordinals, columns: { positions, generations } }: LeaseMessage): void {
    const rollout = this.loop.openRollout(lease.rolloutNumber);
    if (rollout === undefined) return;
    positions.forEach((position, index) => {
      const device = this.deviceByOrdinal.get(ordinals[index] ?? 0);
      assert(device !== undefined, "only planned devices are leased");
      const work: OfferedWork = {
        rollout: lease.rolloutNumber,
        position,
        generation: generations[index] ?? 0,
        leaseId: lease.id,
        slot: rollout.slotIndex,
        digest: rollout.targetAt(position).digest,
        isWayBack: rollout.isGoingBack(position),
      };
      this.fleet.offer(device, work, this.clock.nowMs);
    });
  }

  private voice(): FleetVoice {
    const { script, inbox } = this;
    const runs = Array.from(script.runs, (index) => script.digests[index] ?? "");
    const ordinalOf = (device: number): number => script.ordinals[device] ?? 0;
    const say = (device: number, slot: number, digest: string): void => {
      const ordinal = ordinalOf(device);
      const fence = this.table.fenceOf(ordinal);
      inbox.put(oneState({ ordinal, fence, slot, digest, generation: 0, healthy: true }));
    };
    return {
      connected: (device) => {
        const ordinal = ordinalOf(device);
        const { fence } = this.table.open(ordinal, script.model.gateways[device] ?? 1);
        // What it runs in other slots it has said since it has run it.
        say(device, script.slot, runs[device] ?? "");
        // A model keeps no windows: the center does it for it.
        inbox.put({ kind: "hello", ordinal, fence, features: [] });
      },
      disconnected: (device) => {
        const ordinal = ordinalOf(device);
        this.table.close(ordinal, this.table.fenceOf(ordinal), this.clock.wallMs());
      },
      runs: (device, { slot, digest }) => {
        if (slot === script.slot) runs[device] = digest;
        say(device, slot, digest);
      },
      reported: (device, work, sequence, phase) =>
        this.file(ordinalOf(device), work, sequence, phase),
      returned: ({ rollout, position, generation, leaseId }) =>
        inbox.put({ kind: "return", leaseId, rollout, position, generation, sent: false }),
    };
  }

  private file(ordinal: number, work: OfferedWork, sequence: number, phase: ReportedPhase): void {
    const { batch } = this;
    if (phase === "rolled-back") {
      const detail = { index: batch.ordinals.length, reason: FAILED_REASON };
      batch.details.push(create(ReportDetailSchema, detail));
    }
    batch.ordinals.push(ordinal);
    batch.rollouts.push(work.rollout);
    batch.positions.push(work.position);
    batch.generations.push(work.generation);
    batch.sequences.push(sequence);
    batch.phases.push(REPORT_PHASES[phase]);
    batch.deviceTimesMs.push(0n);
  }

  /** In batches as large as a gateway's. */
  private async appendReports(): Promise<void> {
    if (this.batch.ordinals.length === 0) return;
    const { details } = this.batch;
    const records = new ReportSet(packReports(this.batch), details).records(
      this.log.partitionCount,
    );
    this.batch = create(ReportBatchSchema, {});
    for (let start = 0; start < records.length; start += MAX_BATCH_REPORTS) {
      const part = records.slice(start, start + MAX_BATCH_REPORTS);
      await this.log.append(part, { signal: this.stop.signal });
    }
  }
}

/** A lease without its offers: the model fleet needs no signature. */
async function unsigned(rollout: OpenRollout, lease: LeaseMessage["lease"]): Promise<LeaseMessage> {
  const { positions, generations } = lease;
  return {
    lease,
    ordinals: positions.map((position) => rollout.ordinalAt(position)),
    columns: {
      templates: [],
      templateIndexes: [],
      positions,
      generations,
      devices: new Uint8Array(),
      nonces: new Uint8Array(),
    },
    signed: { head: "", signature: "", keyId: "" },
    bandwidth: rollout.record.spec.bandwidth,
  };
}
