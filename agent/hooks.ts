// SPDX-License-Identifier: Apache-2.0
/**
 * Programs of the device's owner that the agent asks or tells:
 *
 * - busy: may the device be updated now? Exit 0 = yes, 75 (EX_TEMPFAIL of sysexits.h) = busy.
 *   Anything else counts as busy too: a device that is not known to be free is left alone.
 * - service: `HOOK restart NAME`; exit 0 = restarted. It may leave processes behind.
 * - reboot: starts the device again, and may return before it goes down.
 * - exhausted: `HOOK`; the link has failed four times in a row. Its answer changes nothing.
 */
import type { Slot } from "../protocol/device/status.ts";
import type { OfferPayload } from "../protocol/device/offer.ts";
import type { Logger } from "../ports/logger.ts";
import { describeProcessResult } from "./process/process-runner.ts";
import type { ProcessResult, ProcessRunner } from "./process/process-runner.ts";
import type { DataLayout } from "./slots/slot-layout.ts";

export const BUSY_EXIT_CODE = 75;
/** A hook answers or starts something; it does not do the work itself. */
export const HOOK_TIMEOUT_MS = 60_000;

/** Programs; null = not configured. Run without a shell, in the slot's folder. */
export interface HookPrograms {
  readonly busy: string | null;
  readonly service: string | null;
  readonly exhausted: string | null;
  readonly reboot: string | null;
}

export type ServiceAnswer =
  | { readonly kind: "restarted" }
  | { readonly kind: "failed"; readonly detail: string };

export class Hooks {
  readonly #programs: HookPrograms;
  readonly #processes: ProcessRunner;
  readonly #layout: DataLayout;
  readonly #logger: Logger;

  constructor(options: {
    programs: HookPrograms;
    processes: ProcessRunner;
    layout: DataLayout;
    logger: Logger;
  }) {
    this.#programs = options.programs;
    this.#processes = options.processes;
    this.#layout = options.layout;
    this.#logger = options.logger;
  }

  get canRestartServices(): boolean {
    return this.#programs.service !== null;
  }

  get canReboot(): boolean {
    return this.#programs.reboot !== null;
  }

  /** What became of the program; the device goes down behind its back. */
  async reboot(slot: Slot, offer: OfferPayload, signal: AbortSignal): Promise<ProcessResult> {
    const run = [this.#programs.reboot ?? ""];
    const environment = offerEnvironment(slot, offer);
    return this.#run({ run, slot, environment, mayLeave: true, signal });
  }

  /** Without a hook a device is always free. */
  async isBusy(slot: Slot, offer: OfferPayload, signal: AbortSignal): Promise<boolean> {
    if (this.#programs.busy === null) return false;
    const run = [this.#programs.busy];
    const environment = offerEnvironment(slot, offer);
    const result = await this.#run({ run, slot, environment, mayLeave: false, signal });
    if (result.kind === "exited" && result.exitCode === 0) return false;
    if (result.kind !== "exited" || result.exitCode !== BUSY_EXIT_CODE) {
      const answer = describeProcessResult(run, result);
      this.#logger.warn("The busy hook gave no answer; the device counts as busy.", { answer });
    }
    return true;
  }

  async restartService(
    slot: Slot,
    offer: OfferPayload,
    options: { service: string; signal: AbortSignal },
  ): Promise<ServiceAnswer> {
    const { service, signal } = options;
    if (this.#programs.service === null) {
      return { kind: "failed", detail: `no service hook is configured to restart ${service}` };
    }
    const run = [this.#programs.service, "restart", service];
    const environment = offerEnvironment(slot, offer);
    const result = await this.#run({ run, slot, environment, mayLeave: true, signal });
    signal.throwIfAborted();
    if (result.kind === "exited" && result.exitCode === 0) return { kind: "restarted" };
    return { kind: "failed", detail: describeProcessResult(run, result) };
  }

  async sayExhausted(folder: string, signal: AbortSignal): Promise<void> {
    if (this.#programs.exhausted === null) return;
    const run = [this.#programs.exhausted];
    const result = await this.#processes.run({
      run,
      folder,
      environment: {},
      timeoutMs: HOOK_TIMEOUT_MS,
      mayLeaveProcesses: true,
      signal,
    });
    if (result.kind === "exited" && result.exitCode === 0) return;
    const answer = describeProcessResult(run, result);
    this.#logger.warn("The link-exhausted hook failed.", { answer });
  }

  #run(options: {
    run: readonly string[];
    slot: Slot;
    environment: { readonly [name: string]: string };
    mayLeave: boolean;
    signal: AbortSignal;
  }): Promise<ProcessResult> {
    return this.#processes.run({
      run: options.run,
      folder: this.#layout.slotFolder(options.slot),
      environment: options.environment,
      timeoutMs: HOOK_TIMEOUT_MS,
      mayLeaveProcesses: options.mayLeave,
      signal: options.signal,
    });
  }
}

/** What hooks, commands and health checks are told. */
export function offerEnvironment(
  slot: Slot,
  offer: OfferPayload,
): { readonly [name: string]: string } {
  return {
    MUSTER_SLOT: slot,
    MUSTER_ROLLOUT: offer.rolloutName,
    MUSTER_GENERATION: String(offer.generation),
    MUSTER_RELEASE: offer.release?.name ?? "",
    MUSTER_VERSION: offer.release?.version ?? "",
  };
}
