// SPDX-License-Identifier: Apache-2.0
/**
 * One slot of a pretend device:
 *
 *     idle → preparing (not accepted yet) → accepted: downloading → installing → checking → idle
 *                                                                └→ recovering (a crash) → idle
 *
 * - An offer is taken when its generation is newer than all that the slot knows; it is accepted
 *   when it was prepared and is still good. Accepting ends an attempt under way as superseded.
 * - A release that runs is only checked; one that the other side holds is switched to.
 * - The ledger is written where `#running` changes, and nowhere else.
 */
import type { OfferPayload } from "../../protocol/device/offer.ts";
import type { ReleaseManifest } from "../../protocol/device/release-manifest.ts";
import type { DeviceReport, ReportPhase, ReportReason } from "../../protocol/device/report.ts";
import type { Slot, SlotStatus } from "../../protocol/device/status.ts";
import { outputParts } from "../../protocol/device/output-parts.ts";
import { isPlanted } from "../../runtime/faults.ts";
import { answerCommand } from "./pretend-command.ts";
import { failsHealthCheck } from "./health-rule.ts";
import { judgeOffer, judgeStillGood, misfit } from "./judge-offer.ts";
import type { ModelCore, Said } from "./model-core.ts";
import type { DownloadedRelease, ModelTimer, Operation } from "./model-effects.ts";
import type { PreparedRelease, RefusedWork } from "./model-effects.ts";
import type { Span } from "./pace.ts";

/** What runs; digest "" = nothing. */
export interface Installed {
  readonly digest: string;
  readonly version: string;
  readonly generation: number;
  readonly isProven: boolean;
}

export const NOTHING: Installed = { digest: "", version: "", generation: 0, isProven: true };

/** What a journal says of a slot. */
export interface SlotMemory {
  readonly highestGeneration: number;
  readonly running: Installed;
  readonly other: Installed;
  readonly answer: DeviceReport | null;
  /** Accepted, and not ended; `former` is what ran before its switch, null = not switched yet. */
  readonly open: { readonly offer: OfferPayload; readonly former: Installed | null } | null;
}

interface Attempt {
  readonly offer: OfferPayload;
  /** Null for a removal. */
  readonly manifest: ReleaseManifest | null;
  readonly plan: "confirm" | "switch" | "stage";
  /** It was accepted before the device was started again. */
  readonly isReopened: boolean;
  stage: "downloading" | "installing" | "checking" | "recovering" | "running";
  /** What ran before the switch; null = not switched yet. */
  former: Installed | null;
}

export class SlotModel {
  readonly #core: ModelCore;
  readonly #slot: Slot;
  #highestGeneration: number;
  #running: Installed;
  /** What the side that does not run holds. */
  #other: Installed;
  #answer: DeviceReport | null;
  #candidate: OfferPayload | null;
  /** What a hesitant device prepared for its candidate. */
  #considered: PreparedRelease | null = null;
  #attempt: Attempt | null = null;
  /** The attempt that the device was at when it was stopped; accepted already. */
  #reopened: SlotMemory["open"];

  constructor(options: { core: ModelCore; slot: Slot; memory: SlotMemory | null }) {
    const { memory } = options;
    this.#core = options.core;
    this.#slot = options.slot;
    this.#highestGeneration = memory?.highestGeneration ?? 0;
    this.#running = memory?.running ?? NOTHING;
    this.#other = memory?.other ?? NOTHING;
    this.#answer = memory?.answer ?? null;
    this.#reopened = memory?.open ?? null;
    this.#candidate = this.#reopened?.offer ?? null;
  }

  get status(): SlotStatus {
    const { digest, version, generation, isProven } = this.#running;
    return { digest, version, generation, health: isProven ? "healthy" : "unknown" };
  }

  /** After a start: prepares again what was under way. */
  resume(): void {
    if (this.#reopened !== null) {
      this.#core.emit({ kind: "prepare", offer: this.#reopened.offer });
    }
  }

  offered(offer: OfferPayload): void {
    const { tenant, device, clock } = this.#core.facts;
    const candidate = this.#candidate;
    const judgement = judgeOffer({
      offer,
      tenant,
      device,
      highestGeneration: this.#highestGeneration,
      underWay: [candidate, this.#attempt?.offer].flatMap((known) => known?.generation ?? []),
      answer: this.#answer,
      isWithdrawn: this.#core.isWithdrawn(offer),
      nowMs: clock.wallMs(),
    });
    if (judgement.kind === "refused") this.#refuse(offer, judgement);
    if (judgement.kind === "repeat") this.#repeat(judgement.answer);
    // The planted bug: an offer of a generation that is known, or older, is taken like a new one.
    if (judgement.kind !== "take" && !isPlanted("device.accept-older")) return;
    this.#candidate = offer;
    this.#core.emit({ kind: "prepare", offer });
    if (candidate === null) return;
    const detail = `generation ${offer.generation} came first`;
    this.#giveUp(candidate, { kind: "refused", reason: "older-generation", detail });
  }

  prepared(generation: number, release: PreparedRelease): void {
    const offer = this.#candidate;
    if (offer?.generation !== generation) return;
    const { behaviour, pace } = this.#core.facts;
    const hesitates = behaviour === "hesitant" && !this.#core.isWithdrawn(offer);
    if (!hesitates || this.#reopened !== null) return this.#decide(offer, release);
    this.#considered = release;
    this.#consider(generation, pace.considerMs);
  }

  /** A hesitant device makes up its mind soon. */
  withdrawn(generation: number): void {
    if (this.#candidate?.generation !== generation || this.#considered === null) return;
    this.#consider(generation, this.#core.facts.pace.checkMs);
  }

  #consider(generation: number, span: Span): void {
    const timer = { kind: "attempt", slot: this.#slot, generation, step: "consider" } as const;
    this.#core.wait(timer, this.#core.drawMs(span));
  }

  #decide(offer: OfferPayload, release: PreparedRelease): void {
    this.#candidate = null;
    const refusal = this.#refusalOf(offer, release);
    if (refusal !== null) this.#giveUp(offer, refusal);
    else this.#accept(offer, release.kind === "ready" ? release.manifest : null);
  }

  downloaded(generation: number, release: DownloadedRelease): void {
    const attempt = this.#attempt;
    if (attempt?.offer.generation !== generation || attempt.stage !== "downloading") return;
    if (release.kind === "refused") return this.#end(attempt, { ...release, phase: "failed" });
    this.#say(attempt.offer, "downloaded");
    this.#install(attempt);
  }

  elapsed(timer: Extract<ModelTimer, { kind: "attempt" }>): void {
    if (timer.step === "consider") {
      const offer = this.#candidate;
      if (offer?.generation !== timer.generation || this.#considered === null) return;
      return this.#decide(offer, this.#considered);
    }
    const attempt = this.#attempt;
    if (attempt?.offer.generation !== timer.generation) return;
    const { step } = timer;
    if (step === "install" && attempt.stage === "installing") this.#installed(attempt);
    if (step === "check" && attempt.stage === "checking") this.#checked(attempt);
    if (step === "run" && attempt.stage === "running") this.#ran(attempt);
    if (step !== "recover" || attempt.stage !== "recovering") return;
    const detail = "the device went down while it installed";
    this.#end(attempt, { phase: "rolled-back", reason: "crash-loop", detail });
  }

  #refusalOf(offer: OfferPayload, release: PreparedRelease): RefusedWork | null {
    if (release.kind === "refused") return release;
    const { clock, inventory } = this.#core.facts;
    const isWithdrawn = this.#core.isWithdrawn(offer);
    // What was accepted before the device was stopped is owed, however late it is.
    const isOwed = this.#reopened?.offer.generation === offer.generation;
    const over = isOwed ? null : judgeStillGood({ offer, isWithdrawn, nowMs: clock.wallMs() });
    if (over !== null || release.manifest === null) return over;
    return misfit(offer, release.manifest, inventory);
  }

  /** Ends what was being prepared; what had been accepted before a restart ends as an attempt. */
  #giveUp(offer: OfferPayload, refusal: RefusedWork): void {
    const reopened = this.#reopened;
    if (reopened?.offer.generation !== offer.generation) return this.#refuse(offer, refusal, true);
    this.#reopened = null;
    if (reopened.former !== null) this.#restore(offer, reopened.former);
    const { reason, detail } = refusal;
    const phase = reason === "older-generation" ? "superseded" : "failed";
    this.#answer = this.#say(offer, phase, { reason, detail }, true);
  }

  #repeat(report: DeviceReport): void {
    const { rollout, position, generation } = report;
    this.#core.reports.repeat(report);
    const slot = this.#slot;
    const attempt = { slot, rollout, position, generation };
    this.#core.record({ op: "report", ...attempt, report, isRepeat: true });
    this.#core.emit({ kind: "send" });
  }

  /** `forGood`: the same generation, offered again, gets the same answer. */
  #refuse(offer: OfferPayload, refusal: RefusedWork, forGood = false): void {
    // What still waits to be heard about this generation is its answer.
    if (this.#core.reports.knows(offer.generation)) return;
    const { reason, detail } = refusal;
    const answer = this.#say(offer, "rejected", { reason, detail }, true);
    const isNewest = answer.generation > (this.#answer?.generation ?? 0);
    if (forGood && isNewest) this.#answer = answer;
  }

  #accept(offer: OfferPayload, manifest: ReleaseManifest | null): void {
    const reopened = this.#reopened;
    this.#reopened = null;
    if (this.#attempt !== null) this.#supersede(this.#attempt, offer.generation);
    this.#highestGeneration = offer.generation;
    this.#answer = null;
    this.#core.exposedRollouts.add(offer.rollout);
    const plan = this.#planOf(offer);
    const isReopened = reopened !== null;
    const fresh = { stage: "downloading", former: null } as const;
    const attempt: Attempt = { offer, manifest, plan, isReopened, ...fresh };
    this.#attempt = attempt;
    if (reopened === null) {
      const { rollout, position, generation, slot } = offer;
      this.#core.record({ op: "accept", slot, rollout, position, generation, offer });
      this.#say(offer, "accepted");
    }
    // The planted bug: after a restart the device does not know that it has switched already.
    const forgets = isPlanted("device.activate-again");
    if (reopened !== null && reopened.former !== null && !forgets) {
      attempt.former = reopened.former;
      return this.#check(attempt);
    }
    if (this.#fallsSilent(attempt, "accepted")) return;
    if (offer.action === "run") return this.#run(attempt);
    if (plan === "confirm") return this.#check(attempt);
    if (plan === "switch" || manifest === null) return this.#install(attempt);
    this.#say(offer, "downloading");
    const { slot, generation } = offer;
    this.#core.emit({ kind: "download", slot, generation, manifest });
  }

  #planOf(offer: OfferPayload): Attempt["plan"] {
    const digest = targetDigest(offer);
    if (this.#running.digest === digest && this.#running.isProven) return "confirm";
    const holds = digest === "" || (this.#other.digest === digest && this.#other.isProven);
    return holds ? "switch" : "stage";
  }

  #install(attempt: Attempt): void {
    attempt.stage = "installing";
    this.#say(attempt.offer, "installing");
    if (this.#fallsSilent(attempt, "installing")) return;
    this.#wait(attempt, "install", this.#core.drawMs(this.#core.facts.pace.installMs));
  }

  /** At most once: one that was begun before the device was stopped is not begun again. */
  #run(attempt: Attempt): void {
    const { offer, isReopened } = attempt;
    if (isReopened || offer.command === undefined) {
      return this.#end(attempt, { phase: "failed", reason: "command-interrupted" });
    }
    attempt.stage = "running";
    this.#say(offer, "installing");
    if (this.#fallsSilent(attempt, "installing")) return;
    const { hangs } = answerCommand(offer.command, offer.device);
    const { pace } = this.#core.facts;
    const runMs = hangs ? offer.command.timeoutMs : this.#core.drawMs(pace.installMs);
    this.#wait(attempt, "run", runMs);
  }

  #ran(attempt: Attempt): void {
    const { command, device } = attempt.offer;
    if (command === undefined) return;
    const { output, hangs: _, ...outcome } = answerCommand(command, device);
    const parts = outputParts(output);
    for (const detail of parts.slice(0, -1)) this.#say(attempt.offer, "output", { detail });
    this.#end(attempt, { ...outcome, detail: parts.at(-1) ?? "" });
  }

  /** A silent device goes no further, and is muted when that report was heard. */
  #fallsSilent(attempt: Attempt, phase: ReportPhase): boolean {
    if (this.#core.lastPhase !== phase || attempt.isReopened) return false;
    this.#core.silence = { slot: this.#slot, generation: attempt.offer.generation, phase };
    return true;
  }

  #installed(attempt: Attempt): void {
    const { behaviour, pace } = this.#core.facts;
    if (behaviour === "crashing" && attempt.plan === "stage") {
      attempt.stage = "recovering";
      this.#record(attempt.offer, "crash");
      const pauseMs = this.#core.drawMs(pace.rebootMs);
      this.#core.emit({ kind: "drop", pauseMs });
      return this.#wait(attempt, "recover", pauseMs);
    }
    if (behaviour === "lying") this.#record(attempt.offer, "lie");
    else this.#activate(attempt);
    this.#check(attempt);
  }

  #activate(attempt: Attempt): void {
    const { offer } = attempt;
    const { generation, rollout } = offer;
    const digest = targetDigest(offer);
    const version = offer.release?.version ?? "";
    attempt.former = this.#running;
    if (this.#running.digest !== "") this.#other = this.#running;
    this.#running = { digest, version, generation, isProven: digest === "" };
    this.#core.ledger.add({ kind: "activate", slot: this.#slot, digest, generation, rollout });
    this.#record(offer, "activate");
    this.#core.emit({ kind: "evidence" });
  }

  #restore(offer: OfferPayload, former: Installed): void {
    const { generation, rollout } = offer;
    this.#running = former;
    this.#other = NOTHING;
    const { digest } = former;
    this.#core.ledger.add({ kind: "restore", slot: this.#slot, digest, generation, rollout });
    this.#record(offer, "restore");
  }

  #check(attempt: Attempt): void {
    attempt.stage = "checking";
    this.#wait(attempt, "check", this.#core.drawMs(this.#core.facts.pace.checkMs));
  }

  #checked(attempt: Attempt): void {
    const { offer, manifest, former } = attempt;
    const { inventory } = this.#core.facts;
    const run = manifest?.healthCheck?.run ?? [];
    if (former !== null && failsHealthCheck(run, inventory)) {
      this.#restore(offer, former);
      const detail = `${run.join(" ")} ended with status 1`;
      const reason: ReportReason = "health-check-failed";
      return this.#end(attempt, { phase: "rolled-back", reason, detail });
    }
    const digest = targetDigest(offer);
    if (this.#running.digest === digest) {
      this.#running = { ...this.#running, generation: offer.generation, isProven: true };
      if (former === null) this.#record(offer, "confirm");
    }
    this.#end(attempt, { phase: "installed", digest });
  }

  #supersede(attempt: Attempt, by: number): void {
    if (attempt.former !== null) this.#restore(attempt.offer, attempt.former);
    const detail = `generation ${by} was accepted for the slot`;
    this.#end(attempt, { phase: "superseded", detail });
  }

  #end(attempt: Attempt, outcome: Partial<Said> & { phase: ReportPhase }): void {
    this.#core.emit({ kind: "evidence" });
    const { phase, ...said } = outcome;
    const answer = this.#say(attempt.offer, phase, said, true);
    // Newer work may have been refused for good meanwhile; that answer stays.
    if (answer.generation > (this.#answer?.generation ?? 0)) this.#answer = answer;
    this.#attempt = null;
  }

  #say(
    offer: OfferPayload,
    phase: ReportPhase,
    more: Partial<Said> = {},
    isLast = false,
  ): DeviceReport {
    return this.#core.say(offer, { digest: this.#running.digest, ...more, phase }, isLast);
  }

  #wait(attempt: Attempt, step: "install" | "check" | "recover" | "run", delayMs: number): void {
    const { generation } = attempt.offer;
    this.#core.wait({ kind: "attempt", slot: this.#slot, generation, step }, delayMs);
  }

  #record(offer: OfferPayload, op: Exclude<Operation["op"], "accept" | "report" | "ack">): void {
    const { rollout, position, generation } = offer;
    const { digest, version } = this.#running;
    const slot = this.#slot;
    this.#core.record({ op, slot, rollout, position, generation, digest, version });
  }
}

function targetDigest(offer: OfferPayload): string {
  return offer.action === "remove" ? "" : (offer.release?.sha256 ?? "");
}
