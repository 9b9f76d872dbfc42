// SPDX-License-Identifier: Apache-2.0
/** What a device's slots share: who it is, its reports, its ledger, and the effects of an input. */
import type { Clock } from "../../ports/clock.ts";
import type { OfferPayload } from "../../protocol/device/offer.ts";
import type { DeviceReport, ReportPhase, ReportReason } from "../../protocol/device/report.ts";
import type { Slot } from "../../protocol/device/status.ts";
import { ActivationLedger } from "./activation-ledger.ts";
import type { Behaviour } from "./behaviour.ts";
import type { Effect, ModelTimer, Operation } from "./model-effects.ts";
import { drawMs } from "./pace.ts";
import type { Pace, Span } from "./pace.ts";
import { ReportBox } from "./report-box.ts";
import { SeededRandom } from "./seeded-random.ts";

export interface ModelFacts {
  readonly tenant: string;
  readonly device: string;
  readonly behaviour: Behaviour;
  readonly inventory: { readonly [fact: string]: string };
  readonly pace: Pace;
  readonly seed: string;
  /** Wall time, for what expires and for reports. */
  readonly clock: Pick<Clock, "wallMs">;
}

/** An outcome or phase as a report says it. */
export interface Said {
  readonly phase: ReportPhase;
  readonly digest: string;
  readonly reason?: ReportReason;
  readonly detail?: string;
  readonly exitCode?: number;
  readonly outputBytes?: number;
}

/** Withdrawals are remembered for offers that come behind them; few can be in flight. */
const MAX_WITHDRAWN = 64;

export class ModelCore {
  readonly facts: ModelFacts;
  readonly random: SeededRandom;
  readonly reports: ReportBox;
  readonly ledger: ActivationLedger = new ActivationLedger();
  /** Rollouts of which this device accepted an attempt. */
  readonly exposedRollouts: Set<number> = new Set();
  /** The phase after which a silent device falls silent; null = it does not. */
  readonly lastPhase: ReportPhase | null;
  /** Whose acknowledgement is the last that a silent device takes. */
  silence: {
    readonly slot: Slot;
    readonly generation: number;
    readonly phase: ReportPhase;
  } | null = null;
  readonly #withdrawn = new Set<number>();
  #effects: Effect[] = [];

  /** `reports`: those of before a restart; the core takes them over. */
  constructor(facts: ModelFacts, reports: ReportBox = new ReportBox()) {
    this.facts = facts;
    this.reports = reports;
    this.random = new SeededRandom({ seed: facts.seed, name: `${facts.tenant}/${facts.device}` });
    const fallsSilent = this.random.next() < 0.5 ? "accepted" : "installing";
    this.lastPhase = facts.behaviour === "silent" ? fallsSilent : null;
  }

  emit(effect: Effect): void {
    this.#effects.push(effect);
  }

  /** What the input just given asks for. */
  takeEffects(): readonly Effect[] {
    const effects = this.#effects;
    this.#effects = [];
    return effects;
  }

  record(operation: Operation): void {
    this.emit({ kind: "record", operation });
  }

  wait(timer: ModelTimer, delayMs: number): void {
    this.emit({ kind: "wait", timer, delayMs });
  }

  /** A duration of this device. */
  drawMs(span: Span): number {
    const { pace, behaviour } = this.facts;
    return drawMs(span, this.random) * (behaviour === "slow" ? pace.slowFactor : 1);
  }

  /** Writes a report on the offer's attempt. */
  say(offer: OfferPayload, said: Said, isLast: boolean): DeviceReport {
    const { rollout, position, generation, slot } = offer;
    const atMs = Math.max(0, Math.floor(this.facts.clock.wallMs()));
    const report = this.reports.add({ rollout, position, generation, ...said, atMs }, isLast);
    this.record({ op: "report", slot, rollout, position, generation, report });
    this.emit({ kind: "send" });
    return report;
  }

  withdraw(generation: number): void {
    this.#withdrawn.add(generation);
    const [oldest] = this.#withdrawn;
    if (this.#withdrawn.size > MAX_WITHDRAWN && oldest !== undefined) {
      this.#withdrawn.delete(oldest);
    }
  }

  isWithdrawn(offer: OfferPayload): boolean {
    return this.#withdrawn.has(offer.generation);
  }
}
