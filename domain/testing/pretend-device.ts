// SPDX-License-Identifier: Apache-2.0
/**
 * A device of histories: takes offers by the rules of the device protocol, works through its phases
 * one step at a time, keeps its reports until they were delivered. It may fail, fall silent for a
 * while or for ever, and lie.
 */
import { ATTEMPT } from "../attempt.ts";
import type { ReportedPhase } from "../attempt-step.ts";
import type { Offer } from "./pure-center.ts";

export interface PretendReport {
  readonly offer: Offer;
  readonly sequence: number;
  readonly phase: ReportedPhase;
  readonly reason: string;
  readonly madeAtMs: number;
}

/** How its attempts of the release under test go; a rollback always goes well. */
export type Fate = "good" | "fails" | "rolls-back" | "lies" | "bricks";

interface Work {
  readonly offer: Offer;
  readonly target: number;
  readonly before: number;
  phase: number;
  ended: boolean;
}

const { accepted, downloading, downloaded, installing, verifying } = ATTEMPT;
const NEXT = new Map<number, [number, ReportedPhase]>([
  [accepted, [downloading, "downloading"]],
  [downloading, [downloaded, "downloaded"]],
  [downloaded, [installing, "installing"]],
]);

export class PretendDevice {
  readonly number: number;
  readonly fate: Fate;
  readonly factory: number;
  runs: number;
  online = true;
  isBricked = false;
  work: Work | null = null;
  /** Highest generation answered in any way. */
  answered = 0;
  /** Generations it accepted, in order: for the checkers. */
  readonly acceptedGenerations: number[] = [];
  outbox: PretendReport[] = [];
  private readonly sequences = new Map<number, number>();

  constructor(number: number, fate: Fate, factory: number) {
    this.number = number;
    this.fate = fate;
    this.factory = factory;
    this.runs = factory;
  }

  get isWorking(): boolean {
    return this.work !== null && !this.work.ended;
  }

  /** True when it accepted. */
  take(offer: Offer, nowMs: number): boolean {
    const { generation } = offer;
    if (generation <= this.answered) {
      const isKnown = this.sequences.has(generation);
      if (!isKnown) this.say(offer, "rejected", nowMs, "older-generation");
      return false; // known, or answered before
    }
    this.answered = generation;
    if (offer.expiresAtMs <= nowMs) {
      this.say(offer, "rejected", nowMs, "expired");
      return false;
    }
    this.supersede(nowMs);
    const target = offer.rollout.targets[offer.position] ?? 0;
    this.work = { offer, target, before: this.runs, phase: accepted, ended: false };
    this.acceptedGenerations.push(generation);
    this.say(offer, "accepted", nowMs);
    return true;
  }

  /** One step of its work. */
  advance(nowMs: number): void {
    const { work } = this;
    if (work === null || work.ended || this.isBricked) return;
    const next = NEXT.get(work.phase);
    if (next !== undefined) {
      const [phase, word] = next;
      work.phase = phase;
      this.say(work.offer, word, nowMs);
      return;
    }
    this.finish(work, nowMs);
  }

  private finish(work: Work, nowMs: number): void {
    const fate = work.offer.rollout.parent === null ? this.fate : "good";
    if (fate === "bricks") {
      this.isBricked = true;
      this.online = false;
      this.outbox = [];
      return;
    }
    work.ended = true;
    if (fate === "good") this.runs = work.target;
    if (fate === "fails") return this.say(work.offer, "failed", nowMs, "no-space");
    if (fate === "rolls-back") {
      return this.say(work.offer, "rolled-back", nowMs, "health-check-failed");
    }
    work.phase = verifying;
    this.say(work.offer, "installed", nowMs);
  }

  private supersede(nowMs: number): void {
    const { work } = this;
    if (work === null || work.ended) return;
    work.ended = true;
    this.runs = work.before;
    this.say(work.offer, "superseded", nowMs);
  }

  private say(offer: Offer, phase: ReportedPhase, nowMs: number, reason = ""): void {
    const sequence = (this.sequences.get(offer.generation) ?? 0) + 1;
    this.sequences.set(offer.generation, sequence);
    this.outbox.push({ offer, sequence, phase, reason, madeAtMs: nowMs });
  }
}
