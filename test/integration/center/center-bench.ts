// SPDX-License-Identifier: Apache-2.0
/**
 * The inside of a center on the direct engines and virtual time: rollout loop, lease desk, fleet
 * table, and a hub that only notes what gateways would be told. It can be crashed at any fault
 * point and started again on the same store.
 */
import assert from "node:assert/strict";
import { create } from "@bufbuild/protobuf";
import { ReportSet } from "../../../center/ingest/report-record.ts";
import { ReleaseIndex } from "../../../center/releases/release-index.ts";
import { AnalysisDesk, type Ask } from "../../../center/rollouts/analysis-desk.ts";
import { LeaseDesk } from "../../../center/rollouts/lease-desk.ts";
import { oneState, type CommandAction } from "../../../center/rollouts/loop-inbox.ts";
import { OfferDesk, type LeaseMessage } from "../../../center/rollouts/offer-desk.ts";
import type { OpenRollout } from "../../../center/rollouts/open-rollout.ts";
import { makePlan } from "../../../center/rollouts/plan-maker.ts";
import { readRollout, type RolloutRecord } from "../../../center/rollouts/rollout-record.ts";
import { RolloutLoop } from "../../../center/rollouts/rollout-loop.ts";
import { DeviceNames } from "../../../center/state/device-names.ts";
import { FleetTable } from "../../../center/state/fleet-table.ts";
import { ATTEMPT_STATES } from "../../../domain/attempt.ts";
import type { RolloutSpec } from "../../../domain/rollout.ts";
import { openDirectEventLog } from "../../../engines/embedded/event-log.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import type { EventLog } from "../../../ports/event-log.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { offerLeaves, type SignedHead } from "../../../protocol/device/offer-batch.ts";
import { REPORT_PHASES, type ReportPhase } from "../../../protocol/device/report.ts";
import {
  ReportBatchSchema,
  ReportDetailSchema,
} from "../../../protocol/gen/muster/v1/gateway_pb.ts";
import { packReports } from "../../../protocol/link/report-columns.ts";
import { VirtualClock } from "../../helpers/virtual-clock.ts";
import { seedStore, TENANT, writeDraft, type FactsOf, type Floors } from "./bench-records.ts";
import { faultyStore, type FaultyStore } from "./faulty-store.ts";
import { SteppedInbox } from "./stepped-inbox.ts";

export const OFFER_LIFETIME_MS = 20_000;
/** Three heartbeats. */
export const SILENCE_MS = 15_000;
const RETRY_MS = 1_000;
const APP_SLOT = 1;

/** A crash at a fault point: no failure that the loop knows. */
export class Crash extends Error {}

/** The offer that a report is about. */
export interface Answered {
  readonly rollout: number;
  readonly position: number;
  readonly generation: number;
  readonly ordinal: number;
}

export class CenterBench implements AsyncDisposable {
  readonly store: FaultyStore;
  readonly log: EventLog;
  readonly clock: VirtualClock;
  /** Ordinals of the devices, in order. */
  readonly ordinals: readonly number[];
  readonly sent: LeaseMessage[] = [];
  readonly stopEpochs: { rollout: number; stopEpoch: number }[] = [];
  readonly outcomes: string[] = [];
  /** Gateways, by number, that are heard from; all of them have a stream. */
  readonly online: Set<number> = new Set([1, 2]);
  crashAt: string | null = null;
  /** Answers for the analysis that a rollout names. */
  ask: Ask = async () => ({ verdict: "success", reason: "" });
  loop!: RolloutLoop;
  fleet!: FleetTable;
  desk!: LeaseDesk;
  inbox!: SteppedInbox;
  ended!: Promise<unknown>;
  private stop = new AbortController();

  private constructor(options: {
    store: FaultyStore;
    log: EventLog;
    clock: VirtualClock;
    ordinals: readonly number[];
  }) {
    this.store = options.store;
    this.log = options.log;
    this.clock = options.clock;
    this.ordinals = options.ordinals;
  }

  /** With releases app@1, app@2, app@3 and firmware@1 published, and nothing running anywhere. */
  static async open(options: {
    devices: number;
    factsOf?: FactsOf;
    floors?: Floors;
  }): Promise<CenterBench> {
    const clock = new VirtualClock();
    const store = faultyStore(openDirectSqliteStore({ path: ":memory:", clock }));
    const log = openDirectEventLog({ path: ":memory:" });
    const ordinals = await seedStore(store, options.devices, options.factsOf, options.floors);
    const bench = new CenterBench({ store, log, clock, ordinals });
    await bench.start();
    return bench;
  }

  /** A center's start, on what the store has; of the one before nothing is left. */
  async start(): Promise<void> {
    this.stop = new AbortController();
    const { signal } = this.stop;
    const { store, log, clock } = this;
    const load = { store, log, clock, offerLifetimeMs: OFFER_LIFETIME_MS };
    const fence = await store.acquireFence("leader", { signal });
    const releases = await ReleaseIndex.load(store, signal);
    const names = new DeviceNames();
    this.ordinals.forEach((ordinal, index) => names.set(ordinal, `device-${index}`));
    this.inbox = new SteppedInbox();
    this.desk = new LeaseDesk();
    this.fleet = new FleetTable({
      clock,
      isGatewayOnline: (gateway) => this.online.has(gateway),
      gapMs: SILENCE_MS,
      settleMs: SILENCE_MS,
      firstFence: fence.token * 2 ** 32,
    });
    let leaseCount = 0;
    const random = { next: () => 0.5, bytes: (length: number) => new Uint8Array(length) };
    const rootOf = async (): Promise<Uint8Array> => new Uint8Array();
    const sign = (): SignedHead => ({ head: "", signature: "", keyId: "" });
    this.loop = await RolloutLoop.open(
      {
        store,
        load,
        fence,
        clock,
        logger: { ...SILENT_LOGGER, error: () => void this.retry() },
        fleet: this.fleet,
        desk: this.desk,
        inbox: this.inbox,
        offers: new OfferDesk({
          names,
          clock,
          random,
          rootOf,
          sign,
          offerLifetimeMs: OFFER_LIFETIME_MS,
        }),
        outputs: {
          sendLease: (message) => this.sent.push(message) > 0,
          raiseStopEpoch: (rollout, stopEpoch) => this.stopEpochs.push({ rollout, stopEpoch }),
          renewLeases: () => {},
          rolloutChanged: () => {},
        },
        metrics: {
          reportsApplied: (counts) => {
            for (const [outcome, count] of Object.entries(counts)) {
              for (let index = 0; index < count; index++) this.outcomes.push(outcome);
            }
          },
          cycle: () => {},
          openRollouts: () => {},
        },
        releaseByDigest: (digest) => {
          const found = releases.byManifestDigest(digest);
          if (found === undefined) return null;
          return { release: `${found.name}@${found.version}`, manifestBytes: 1, downloadBytes: 1 };
        },
        newLeaseId: () => `lease-${fence.token}-${++leaseCount}`,
        faultPoint: (name) => {
          if (name === this.crashAt) throw new Crash(name);
        },
        analyses: new AnalysisDesk({
          inbox: this.inbox,
          ask: (...question) => this.ask(...question),
          signal,
        }),
        isPlanted: () => false,
        leaseLifetimeMs: 30_000,
      },
      signal,
    );
    this.ended = this.loop.run(signal).catch((error: unknown) => error);
    await this.inbox.whenIdle();
  }

  /** The loop waits before it reads the store again. */
  private async retry(): Promise<void> {
    await Promise.resolve();
    this.clock.advance(RETRY_MS);
  }

  /** Time passes, then the loop does one cycle; a failed one is followed by a reload. */
  async cycle(elapsedMs = 200): Promise<void> {
    this.clock.advance(elapsedMs);
    this.inbox.go();
    await Promise.race([this.inbox.whenIdle(), this.ended]);
  }

  async cycles(count: number, elapsedMs = 1_000): Promise<void> {
    for (let index = 0; index < count; index++) await this.cycle(elapsedMs);
  }

  /** A cycle that the fault point ends, and a new center on the same store. */
  async crashAtPoint(name: string): Promise<void> {
    this.crashAt = name;
    await this.cycle();
    assert((await this.ended) instanceof Crash, `the loop came by ${name}`);
    this.crashAt = null;
    await this.start();
  }

  /** A device connects, or did so long ago, and says what its app slot runs. */
  connect(
    index: number,
    options: {
      gateway?: number;
      digest?: string;
      features?: readonly string[];
      openedMsAgo?: number;
    } = {},
  ): void {
    const { gateway = 1, digest = "", features = [], openedMsAgo = 0 } = options;
    const ordinal = this.ordinals[index] ?? 0;
    const { fence } = this.fleet.open(ordinal, gateway, 0, openedMsAgo);
    this.runs(index, digest);
    this.inbox.put({ kind: "hello", ordinal, fence, features });
  }

  connectAll(digest = ""): void {
    this.ordinals.forEach((_, index) => this.connect(index, { digest }));
  }

  /** The device's heartbeat carries another digest. */
  runs(index: number, digest: string, options: { slot?: number; healthy?: boolean } = {}): void {
    const { slot = APP_SLOT, healthy = true } = options;
    const ordinal = this.ordinals[index] ?? 0;
    const fence = this.fleet.fenceOf(ordinal);
    const state = { slot, digest, generation: 0, healthy };
    this.inbox.put(oneState({ ordinal, fence, ...state }));
  }

  /** Reports, made durable as GatewayLink does it. */
  async report(offer: Answered, phases: readonly ReportPhase[], firstSequence = 1): Promise<void> {
    await this.reportAll(
      phases.map((phase, index) => ({ ...offer, phase, sequence: firstSequence + index })),
    );
  }

  /** Of many devices, in one batch of a gateway. */
  async reportAll(
    reports: readonly (Answered & { phase: ReportPhase; sequence: number; text?: string })[],
  ): Promise<void> {
    const batch = create(ReportBatchSchema, {});
    for (const [index, report] of reports.entries()) {
      batch.ordinals.push(report.ordinal);
      batch.rollouts.push(report.rollout);
      batch.positions.push(report.position);
      batch.generations.push(report.generation);
      batch.sequences.push(report.sequence);
      batch.phases.push(REPORT_PHASES[report.phase]);
      batch.deviceTimesMs.push(0n);
      const { text = "" } = report;
      if (text === "") continue;
      batch.details.push(create(ReportDetailSchema, { index, reason: "step-failed", text }));
    }
    const set = new ReportSet(packReports(batch), batch.details);
    const records = set.records(this.log.partitionCount);
    await this.log.append(records, { signal: this.stop.signal });
    this.loop.reportsAppended();
  }

  /** Every offer of the leases sent so far, in order. */
  get offers(): {
    leaseId: string;
    gateway: number;
    rollout: number;
    position: number;
    generation: number;
    ordinal: number;
    release: string;
  }[] {
    return this.sent.flatMap(({ lease, columns, ordinals }) => {
      const leaves = offerLeaves(columns) ?? [];
      return columns.positions.map((position, index) => {
        const text = new TextDecoder().decode(leaves[index]);
        const { release } = JSON.parse(text) as { release?: { name: string; version: string } };
        return {
          leaseId: lease.id,
          gateway: lease.gatewayNumber,
          rollout: lease.rolloutNumber,
          position,
          generation: columns.generations[index] ?? 0,
          ordinal: ordinals[index] ?? 0,
          release: release === undefined ? "" : `${release.name}@${release.version}`,
        };
      });
    });
  }

  /** Applies and plans; answers its number. */
  async plan(name: string, spec: Partial<RolloutSpec> = {}): Promise<number> {
    const { signal } = this.stop;
    const draft = await writeDraft(this.store, name, spec);
    await makePlan(
      {
        store: this.store,
        clock: this.clock,
        random: { next: () => 0.5, bytes: (length) => new Uint8Array(length) },
        releases: await ReleaseIndex.load(this.store, signal),
        running: () => this.loop.running,
        digests: () => this.loop.digests,
        openRollouts: () => this.loop.openRollouts,
      },
      { ...draft, actor: "operator:test", reason: "" },
      signal,
    );
    return draft.record.number;
  }

  /** Settles after a later `cycle`. */
  command(
    name: string,
    action: CommandAction,
    options: { actor?: string; planDigest?: string } = {},
  ): Promise<RolloutRecord> {
    return new Promise((resolve, reject) => {
      const who = { actor: options.actor ?? "operator:test", reason: "a test" };
      const what = { tenant: TENANT, name, action, planDigest: options.planDigest ?? "" };
      const receivedAtMs = this.clock.monotonicMs();
      this.inbox.put({ kind: "command", ...what, ...who, receivedAtMs, resolve, reject });
    });
  }

  async record(name: string): Promise<RolloutRecord> {
    const { signal } = this.stop;
    const document = await this.store.getDocument("rollout", `${TENANT}/${name}`, { signal });
    assert(document !== null, `rollout ${name} is stored`);
    return readRollout(document);
  }

  rollout(number: number): OpenRollout {
    const rollout = this.loop.openRollout(number);
    assert(rollout !== undefined, `rollout ${number} is open`);
    return rollout;
  }

  /** States by position. */
  states(number: number): string[] {
    const rollout = this.rollout(number);
    return [...rollout.ordinals].map((_, at) => ATTEMPT_STATES[rollout.stateAt(at)] ?? "");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop.abort();
    this.inbox.go();
    await this.ended;
    await this.log.close();
    await this.store.close();
  }
}
