// SPDX-License-Identifier: Apache-2.0
/**
 * The open questions of rollouts' gates: each is asked once, beside the loop and never within it,
 * and its answer is put into the loop's inbox. What is asked is read from what is stored: so a
 * center that starts again asks again, and a rollout that does not want to know any more (it was
 * stopped, it expired) has its question called off.
 */
import type { AnalysisPolicy } from "../../domain/analysis.ts";
import type { AnalysisAnswered } from "../../domain/analysis-step.ts";
import { countsByState } from "../../domain/attempt-counts.ts";
import type { LoopInbox } from "./loop-inbox.ts";
import type { OpenRollout } from "./open-rollout.ts";

/** The body of the request; `wave` counts from 1. */
export interface AnalysisRequest {
  readonly tenant: string;
  readonly rollout: string;
  /** That would open; one more than `waves` = the rollout would end as succeeded. */
  readonly wave: number;
  readonly waves: number;
  readonly planDigest: string;
  /** Attempts by state, those of no device left out. */
  readonly states: { readonly [state: string]: number };
  readonly failures: number;
  readonly accepted: number;
  readonly unproven: number;
}

/** Never rejects but for the signal: who does not answer is inconclusive. */
export type Ask = (
  policy: AnalysisPolicy,
  request: AnalysisRequest,
  signal: AbortSignal,
) => Promise<Pick<AnalysisAnswered, "verdict" | "reason">>;

export class AnalysisDesk {
  private readonly inbox: Pick<LoopInbox, "put">;
  private readonly ask: Ask;
  private readonly signal: AbortSignal;
  private readonly asked = new Map<string, AbortController>();

  /** `signal`: the center stops. */
  constructor(options: { inbox: Pick<LoopInbox, "put">; ask: Ask; signal: AbortSignal }) {
    this.inbox = options.inbox;
    this.ask = options.ask;
    this.signal = options.signal;
  }

  /** After each commit: asks what is open and was not asked, calls off what is not open. */
  keep(rollouts: Iterable<OpenRollout>): void {
    const open = new Set<string>();
    for (const rollout of rollouts) {
      const { number, progress, spec } = rollout.record;
      const { analysis, state } = progress;
      const isWanted = state === "running" || state === "paused";
      if (!isWanted || analysis?.state !== "asked" || spec.gate.analysis === null) continue;
      const key = `${number}/${analysis.wave}`;
      open.add(key);
      if (this.asked.has(key)) continue;
      const call = new AbortController();
      this.asked.set(key, call);
      const signal = AbortSignal.any([call.signal, this.signal]);
      void this.bring(rollout, analysis.wave, spec.gate.analysis, signal);
    }
    for (const [key, call] of this.asked) {
      if (open.has(key)) continue;
      call.abort();
      this.asked.delete(key);
    }
  }

  private async bring(
    rollout: OpenRollout,
    wave: number,
    policy: AnalysisPolicy,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const { verdict, reason } = await this.ask(policy, requestOf(rollout, wave), signal);
      const answer = { kind: "analysis-answered", wave, verdict, reason } as const;
      this.inbox.put({ kind: "answer", rollout: rollout.record.number, answer });
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

function requestOf({ record, plan, total }: OpenRollout, wave: number): AnalysisRequest {
  return {
    tenant: record.tenant,
    rollout: record.name,
    wave: wave + 1,
    waves: plan.waves.length,
    planDigest: plan.digest,
    states: countsByState(total),
    failures: total.failures,
    accepted: total.exposed,
    unproven: total.unproven,
  };
}
