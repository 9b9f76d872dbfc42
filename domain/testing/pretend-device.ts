// SPDX-License-Identifier: Apache-2.0
/**
 * A device of histories: takes offers by the rules of the device protocol, works through its phases
 * one step at a time, keeps its reports until they were delivered. It may fail, refuse, fall silent
 * for a while or for ever, hang, lie, or fall back by itself after all went well.
 */
import { ATTEMPT } from "../attempt.ts";
import type { ReportedPhase } from "../attempt-step.ts";
import { isOpenAt } from "../window.ts";
import type { Offer } from "./center-hooks.ts";
import { SLOTS, type SlotName } from "./slots.ts";

export interface PretendReport {
  readonly offer: Offer;
  readonly sequence: number;
  readonly phase: ReportedPhase;
  readonly reason: string;
  readonly madeAtMs: number;
  /** It was delivered; its acknowledgement was not. */
  readonly isAgain: boolean;
}

/** How its attempts of the release under test go; a rollback, or a way back, always goes well. */
export type Fate =
  | "good"
  | "fails"
  | "rolls-back"
  /** Says that it has installed, and runs what it ran. */
  | "lies"
  | "bricks"
  | "rejects"
  /** Its clock is wrong: every offer of the release has expired. */
  | "is-late"
  /** Hangs in the midst of its work, for minutes, and goes on. */
  | "hangs"
  /** Runs the new release, and is not well. */
  | "sickens"
  /** Has installed it, shows it, and after a while runs what it ran before. */
  | "falls-back";

interface Work {
  readonly offer: Offer;
  readonly target: number;
  readonly before: number;
  phase: number;
  ended: boolean;
  /** Nothing goes on before. */
  restsUntilMs: number;
}

/** What it ran before the rollout whose work this is. */
export function whatItHad({ offer, target, before }: Work): number {
  return offer.isWayBack ? target : before;
}

/** Longer than any phase may take. */
const HANGS_MS = 100_000;
const BUSY_MS = 30_000;
const EXAMINED_MS = [20_000, 50_000] as const;
/** About as long as a soak. */
const FALLS_BACK_AFTER_MS = 15_000;
const { accepted, downloading, downloaded, waiting, installing, verifying } = ATTEMPT;
const NEXT = new Map<number, [number, ReportedPhase]>([
  [accepted, [downloading, "downloading"]],
  [downloading, [downloaded, "downloaded"]],
  [downloaded, [installing, "installing"]],
  [waiting, [installing, "installing"]],
]);

/** A command has nothing to fetch. */
const NEXT_OF_COMMAND = new Map<number, [number, ReportedPhase]>([
  [accepted, [installing, "installing"]],
]);

const HANGING = [downloading, downloaded, installing];

/** The next phase may not begin while the window that it belongs to is closed. */
function waits({ offer }: Work, phase: number, wallMs: number): boolean {
  const windows = offer.isWayBack ? null : offer.rollout.windowsAt(offer.position);
  if (windows === null || (phase !== downloading && phase !== installing)) return false;
  const { policy, zone } = windows;
  const kind = phase === downloading ? policy.download : policy.install;
  return !isOpenAt(kind, zone, wallMs);
}

/** What one slot of a device runs and does; slots know nothing of one another. */
export class PretendSlot {
  runs: number;
  isHealthy = true;
  work: Work | null = null;
  /** The install that it began last. */
  installsAt: { readonly offer: Offer; readonly wallMs: number } | null = null;
  /** Highest generation answered in any way. */
  answered = 0;
  /** Generations it accepted, in order: for the checkers. */
  readonly acceptedGenerations: number[] = [];

  constructor(factory: number) {
    this.runs = factory;
  }

  get isWorking(): boolean {
    return this.work !== null && !this.work.ended;
  }
}

export interface DeviceOptions {
  readonly number: number;
  readonly fate: Fate;
  readonly factory: number;
  readonly isCritical: boolean;
  readonly site: string;
  readonly understandsWindows: boolean;
  readonly isBusy: boolean;
}

export class PretendDevice {
  readonly number: number;
  readonly fate: Fate;
  readonly factory: number;
  readonly isCritical: boolean;
  /** "" = none. */
  readonly site: string;
  /** It waits for a quiet moment before it installs. */
  readonly isBusy: boolean;
  readonly slots: { readonly [Name in SlotName]: PretendSlot };
  online = true;
  isBricked = false;
  /** Nothing goes on until it is back. */
  isOff = false;
  /** It keeps the windows of an offer by itself, and says so. */
  readonly understandsWindows: boolean;
  /** By rollout: what it ran when it accepted it. */
  readonly ranBefore: Map<number, number> = new Map();
  /** Commands whose end it has seen, by rollout. */
  readonly carriedOut: Set<number> = new Set();
  outbox: PretendReport[] = [];
  /** Its reports but the answer to an offer do not get through until then. */
  stuckUntilMs = 0;
  /** Nothing of it gets through until then. */
  mutedUntilMs = 0;
  /** Its newest report comes first, always. */
  isHasty = false;
  /** It refuses what puts it back because its group has failed. */
  refusesToGoBack = false;
  private readonly sequences = new Map<number, number>();

  constructor(options: DeviceOptions) {
    this.understandsWindows = options.understandsWindows;
    this.number = options.number;
    this.fate = options.fate;
    this.factory = options.factory;
    this.isCritical = options.isCritical;
    this.site = options.site;
    this.isBusy = options.isBusy;
    const { factory } = options;
    this.slots = {
      app: new PretendSlot(factory),
      os: new PretendSlot(factory),
      command: new PretendSlot(0),
    };
  }

  get isWorking(): boolean {
    return SLOTS.some((name) => this.slots[name].isWorking);
  }

  slotOf({ rollout }: Offer): PretendSlot {
    return this.slots[rollout.slot];
  }

  /** True when it accepted. */
  take(offer: Offer, nowMs: number): boolean {
    const { generation } = offer;
    const slot = this.slotOf(offer);
    if (generation <= slot.answered) {
      const isKnown = this.sequences.has(generation);
      if (!isKnown) this.say(offer, "rejected", nowMs, "older-generation");
      return false; // known, or answered before
    }
    slot.answered = generation;
    const isOfRelease = offer.rollout.parent === null && !offer.isWayBack;
    const isLate = this.fate === "is-late" && isOfRelease;
    if (isLate || offer.expiresAtMs <= nowMs) {
      this.say(offer, "rejected", nowMs, "expired");
      return false;
    }
    const refuses = isOfRelease ? this.fate === "rejects" : this.refusesToGoBack && offer.isWayBack;
    if (refuses) {
      this.say(offer, "rejected", nowMs, "does-not-fit");
      return false;
    }
    this.supersede(slot, nowMs);
    const { target } = offer;
    const before = slot.runs;
    slot.work = { offer, target, before, phase: accepted, ended: false, restsUntilMs: 0 };
    if (!offer.isWayBack) this.ranBefore.set(offer.rollout.number, before);
    slot.acceptedGenerations.push(generation);
    this.say(offer, "accepted", nowMs);
    return true;
  }

  /**
   * It rested, and goes on at once: longer than an install may take twice, nobody who is there
   * again says nothing and goes on (`settleUnlessGoingOn` rests on that).
   */
  isDue(nowMs: number): boolean {
    if (this.isOff) return false;
    return SLOTS.some((name) => {
      const { work } = this.slots[name];
      return work !== null && work.restsUntilMs > 0 && nowMs >= work.restsUntilMs;
    });
  }

  /** One step of its work in each slot; `wallMs`: what its own clock shows. */
  advance(nowMs: number, wallMs: number): void {
    if (this.isOff) return;
    for (const name of SLOTS) this.advanceSlot(this.slots[name], nowMs, wallMs);
  }

  private advanceSlot(slot: PretendSlot, nowMs: number, wallMs: number): void {
    const { work } = slot;
    if (work === null || this.isBricked || nowMs < work.restsUntilMs) return;
    const { rollout, isWayBack } = work.offer;
    const fate = rollout.parent === null && !isWayBack ? this.fate : "good";
    if (work.ended) {
      if (fate === "falls-back") slot.runs = work.before;
      return;
    }
    if (this.isBusy && work.phase === downloaded) {
      return this.enter(work, waiting, "waiting", nowMs, BUSY_MS);
    }
    const isCommand = work.offer.rollout.slot === "command";
    const next = (isCommand ? NEXT_OF_COMMAND : NEXT).get(work.phase);
    if (next === undefined) {
      if (isCommand) return this.finishCommand(work, fate, nowMs);
      const isExamined = fate !== "rolls-back" || slot.runs === work.target;
      if (isExamined) return this.finish(slot, work, fate, nowMs);
      // It runs the release while its health is examined, and shows it.
      slot.runs = work.target;
      work.restsUntilMs = nowMs + EXAMINED_MS[this.number % 2 === 0 ? 0 : 1];
      return;
    }
    const [phase, word] = next;
    if (this.understandsWindows && waits(work, phase, wallMs)) return;
    if (phase === installing) slot.installsAt = { offer: work.offer, wallMs };
    // Which phase it hangs in is its own.
    const hangsIn = isCommand ? installing : HANGING[this.number % HANGING.length];
    const hangs = fate === "hangs" && phase === hangsIn;
    this.enter(work, phase, word, nowMs, hangs ? HANGS_MS : 0);
  }

  private enter(
    work: Work,
    phase: number,
    word: ReportedPhase,
    nowMs: number,
    restMs: number,
  ): void {
    work.phase = phase;
    work.restsUntilMs = nowMs + restMs;
    this.say(work.offer, word, nowMs);
  }

  /** It says how the command ended; that it hangs, when its time is over. */
  private finishCommand(work: Work, fate: Fate, nowMs: number): void {
    if (fate === "bricks") return this.brick();
    work.ended = true;
    this.carriedOut.add(work.offer.rollout.number);
    if (fate === "good") return this.say(work.offer, "installed", nowMs);
    const reason = fate === "hangs" ? "command-timed-out" : "command-failed";
    this.say(work.offer, "failed", nowMs, reason);
  }

  private brick(): void {
    this.isBricked = true;
    this.online = false;
    this.outbox = [];
  }

  private finish(slot: PretendSlot, work: Work, fate: Fate, nowMs: number): void {
    if (fate === "bricks") return this.brick();
    work.ended = true;
    if (fate === "rolls-back") slot.runs = work.before;
    else if (fate !== "fails" && fate !== "lies") slot.runs = work.target;
    slot.isHealthy = fate !== "sickens";
    work.restsUntilMs = nowMs + FALLS_BACK_AFTER_MS;
    if (fate === "fails") return this.say(work.offer, "failed", nowMs, "no-space");
    if (fate === "rolls-back") {
      return this.say(work.offer, "rolled-back", nowMs, "health-check-failed");
    }
    work.phase = verifying;
    this.say(work.offer, "installed", nowMs);
  }

  private supersede(slot: PretendSlot, nowMs: number): void {
    const { work } = slot;
    if (work === null || work.ended) return;
    work.ended = true;
    slot.runs = work.before;
    this.say(work.offer, "superseded", nowMs);
  }

  private say(offer: Offer, phase: ReportedPhase, nowMs: number, reason = ""): void {
    const sequence = (this.sequences.get(offer.generation) ?? 0) + 1;
    this.sequences.set(offer.generation, sequence);
    this.outbox.push({ offer, sequence, phase, reason, madeAtMs: nowMs, isAgain: false });
  }
}
