// SPDX-License-Identifier: Apache-2.0
/** A page of attempts with a clock, for tests of single cells. Position 0 where none is named. */
import { ATTEMPT_STATES, CELL_FLAGS, CELL_REASONS } from "../attempt.ts";
import { createAttemptPage, PAGE_TICK_MS, type AttemptPage } from "../attempt-page.ts";
import { stepAttempt, type ReportedPhase, type StepOutcome } from "../attempt-step.ts";
import { EVIDENCE, sweepPage } from "../attempt-sweep.ts";
import type { Deadlines } from "../rollout.ts";
import type { WindowKind } from "../zone-windows.ts";
import { specOf } from "./pure-rollout.ts";

export const DEADLINES: Deadlines = specOf().deadlines;
export const SOAK_MS: number = specOf().soakMs;
export const OFFER_LIFETIME_MS = 20_000;

type Flag = keyof typeof CELL_FLAGS;

export class Cells {
  readonly page: AttemptPage;
  nowMs = 0;
  stopping = false;
  rollingBack = false;
  evidence: keyof typeof EVIDENCE = "none";
  isOnline = true;
  closedWindow: WindowKind | null = null;
  private sweptAtMs = 0;

  constructor(cellCount = 1) {
    this.page = createAttemptPage(0, cellCount);
  }

  lease(generation: number, previous = 1, position = 0): StepOutcome {
    return stepAttempt(this.page, { kind: "leased", position, generation, previous }, this.context);
  }

  giveBack(generation: number, sent: boolean): StepOutcome {
    const event = { kind: "returned", position: 0, generation, sent } as const;
    return stepAttempt(this.page, event, this.context);
  }

  report(
    phase: ReportedPhase,
    sequence: number,
    options: { generation?: number; reason?: string } = {},
  ): StepOutcome {
    const { generation = 1, reason = "" } = options;
    const event = { kind: "reported", position: 0, generation, sequence, phase, reason } as const;
    return stepAttempt(this.page, event, this.context);
  }

  /** Leased under generation 1, accepted, and as far as `phase`. */
  bring(phase: "accepted" | "downloading" | "downloaded" | "waiting" | "installing"): this;
  bring(phase: "verifying"): this;
  bring(phase: string): this {
    this.lease(1);
    const phases = ["accepted", "downloading", "downloaded", "waiting", "installing"] as const;
    for (const [index, word] of phases.entries()) {
      if (word === "waiting" && phase !== "waiting") continue;
      this.report(word, index + 1);
      if (word === phase) return this;
    }
    this.report("installed", 6);
    return this;
  }

  /** Time passes, and the page is swept at its end. */
  after(elapsedMs: number): boolean {
    this.nowMs += elapsedMs;
    const elapsedTicks = (this.nowMs - this.sweptAtMs) / PAGE_TICK_MS;
    this.sweptAtMs = this.nowMs;
    return sweepPage(this.page, {
      ...this.context,
      elapsedTicks,
      deadlines: DEADLINES,
      soakMs: SOAK_MS,
      rollingBack: this.rollingBack,
      evidence: () => EVIDENCE[this.evidence],
      offerLifetimeMs: OFFER_LIFETIME_MS,
      isOnline: () => this.isOnline,
      isWindowClosed: (_position, window) => window === this.closedWindow,
    });
  }

  private get context(): {
    nowTicks: number;
    stopping: boolean;
    isPlanted: (name: string) => boolean;
  } {
    const { nowMs, stopping } = this;
    return { nowTicks: nowMs / PAGE_TICK_MS, stopping, isPlanted: () => false };
  }

  get state(): string {
    return ATTEMPT_STATES[this.page.state[0] ?? 0] ?? "";
  }

  get reason(): string {
    return CELL_REASONS[this.page.reason[0] ?? 0] ?? "";
  }

  get generation(): number {
    return this.page.generation[0] ?? 0;
  }

  /** `exposed failed`: the flags of the gate and of the blast radius, without how it was leased. */
  get flags(): string {
    const flags = this.page.flags[0] ?? 0;
    const shown: Flag[] = ["exposed", "failed", "settled"];
    return shown.filter((name) => (flags & CELL_FLAGS[name]) !== 0).join(" ");
  }
}
