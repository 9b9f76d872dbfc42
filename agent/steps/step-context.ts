// SPDX-License-Identifier: Apache-2.0
/** What a step's executor is given, and what it answers. */
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { OfferPayload } from "../../protocol/device/offer.ts";
import type { ReportReason } from "../../protocol/device/report.ts";
import type { Slot } from "../../protocol/device/status.ts";
import type { Downloader } from "../download/downloader.ts";
import type { Files } from "../files/files.ts";
import type { Hooks } from "../hooks.ts";
import type { ProcessRunner } from "../process/process-runner.ts";
import type { DataLayout } from "../slots/slot-layout.ts";
import type { Journal } from "../state/journal.ts";

/** What the steps of every attempt share. */
export interface StepTools {
  readonly files: Files;
  readonly layout: DataLayout;
  readonly journal: Journal;
  readonly processes: ProcessRunner;
  readonly downloader: Downloader;
  readonly hooks: Hooks;
  /** Another one after each start of the device. */
  readonly bootId: () => Promise<string>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Milliseconds since 1970: what windows are judged by. */
  readonly workingTimeMs: () => number;
}

export interface StepContext extends StepTools {
  readonly slot: Slot;
  readonly offer: OfferPayload;
  /** Tells the center what the attempt waits for. */
  readonly sayWaiting: (reason: ReportReason) => Promise<void>;
  /** Makes a part of a command's output durable, to be sent. */
  readonly sayOutput: (text: string) => Promise<void>;
  /** Newer work has come, or the agent stops. Steps that can be left anywhere listen to it. */
  readonly interrupt: AbortSignal;
  /** The agent must end now: every step listens to it, and is repeated by the next agent. */
  readonly halt: AbortSignal;
}

export type StepResult =
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly reason: ReportReason; readonly detail: string };

/** Throws the signal's reason when it was interrupted, and what the ports throw. */
export type StepExecutor<S> = (context: StepContext, step: S) => Promise<StepResult>;

export const DONE: StepResult = { kind: "done" };

export function failed(reason: ReportReason, detail: string): StepResult {
  return { kind: "failed", reason, detail };
}
