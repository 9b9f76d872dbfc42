// SPDX-License-Identifier: Apache-2.0
/**
 * Puts an agent together from its ports, after reading what it knew: the part of starting that is
 * the same in production, in tests and in simulation.
 */
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Random } from "../ports/random.ts";
import { SLOTS } from "../protocol/device/status.ts";
import type { Slot } from "../protocol/device/status.ts";
import { Agent, Withdrawals } from "./agent.ts";
import { AttemptRunner } from "./attempt-runner.ts";
import type { AttemptObserver } from "./attempt-runner.ts";
import type { Downloader } from "./download/downloader.ts";
import type { Files } from "./files/files.ts";
import { Hooks } from "./hooks.ts";
import type { HookPrograms } from "./hooks.ts";
import { HeartbeatPace } from "./link/heartbeat-pace.ts";
import type { OfferGate } from "./link/offer-gate.ts";
import type { ProcessRunner } from "./process/process-runner.ts";
import { ReleasePreparer } from "./release-preparer.ts";
import type { AllowedCommands, Inventory, ReleaseTrust } from "./release-preparer.ts";
import { openOutbox } from "./reports/outbox.ts";
import type { Outbox } from "./reports/outbox.ts";
import { Retrier } from "./retrier.ts";
import { SlotWorker } from "./slot-worker.ts";
import type { OfferObserver, WorkerWorld } from "./slot-worker.ts";
import { Evidence } from "./slots/evidence.ts";
import type { DataLayout } from "./slots/slot-layout.ts";
import { openJournal } from "./state/journal.ts";
import type { Journal } from "./state/journal.ts";
import { reconcile } from "./state/reconcile.ts";
import type { StepTools } from "./steps/step-context.ts";

export interface AssembleOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  readonly files: Files;
  readonly layout: DataLayout;
  readonly processes: ProcessRunner;
  readonly downloader: Downloader;
  readonly trust: ReleaseTrust;
  readonly gate: OfferGate;
  readonly tenant: string;
  readonly device: string;
  readonly workingTimeMs: () => number;
  readonly inventory: Inventory;
  readonly hookPrograms: HookPrograms;
  readonly commands: AllowedCommands;
  readonly bootId: () => Promise<string>;
  readonly agentName: string;
  readonly evidenceIntervalMs: number;
  readonly observer: OfferObserver & AttemptObserver;
  readonly halt: AbortSignal;
}

export interface AssembledAgent {
  readonly agent: Agent;
  readonly journal: Journal;
  readonly outbox: Outbox;
  readonly evidence: Evidence;
  readonly hooks: Hooks;
  readonly pace: HeartbeatPace;
  readonly journalWasRebuilt: boolean;
}

/** Throws `corrupt` when it cannot be said what runs, and what the Files port throws. */
export async function assembleAgent(options: AssembleOptions): Promise<AssembledAgent> {
  const { clock, random, logger, files, layout, processes, halt, inventory } = options;
  const opened = await openJournal({ files, layout, logger, signal: halt });
  const { journal } = opened;
  await reconcile({ files, layout, journal, logger });
  const outbox = await openOutbox({ files, folder: layout.reports, logger });
  const evidence = new Evidence({ files, layout, journal, processes, logger });
  const hooks = new Hooks({ programs: options.hookPrograms, processes, layout, logger });
  const retrier = new Retrier({ clock, random, logger });
  const { downloader, trust } = options;
  const tools: StepTools = {
    files,
    layout,
    journal,
    processes,
    downloader,
    hooks,
    bootId: options.bootId,
    clock,
    logger,
    workingTimeMs: options.workingTimeMs,
  };
  const { commands } = options;
  const preparer = new ReleasePreparer({ ...tools, trust, evidence, inventory, commands });
  const withdrawals = new Withdrawals();
  const world: WorkerWorld = {
    tenant: options.tenant,
    device: options.device,
    workingTimeMs: options.workingTimeMs,
    isWithdrawn: (offer) => withdrawals.has(offer),
  };
  const { observer } = options;
  const shared = { tools, outbox, evidence, retrier, observer };
  const workers = new Map<Slot, SlotWorker>(
    SLOTS.map((slot) => {
      const runner = new AttemptRunner({ ...shared, slot });
      return [slot, new SlotWorker({ ...shared, slot, world, runner, preparer })];
    }),
  );
  const pace = new HeartbeatPace({ clock, logger });
  const agent = new Agent({ ...options, journal, evidence, pace, workers, withdrawals });
  return { agent, journal, outbox, evidence, hooks, pace, journalWasRebuilt: opened.rebuilt };
}
