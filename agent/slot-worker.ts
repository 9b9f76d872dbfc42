// SPDX-License-Identifier: Apache-2.0
/**
 * One slot's life: takes offers, one at a time, and carries out the newest. Newer work interrupts
 * at the next step boundary; it is prepared while the older attempt rests, and only when it is fit
 * to be accepted is the older one taken back.
 *
 * The inbox holds one offer: a newer one replaces it, and the replaced one is refused.
 */
import type { OfferPayload } from "../protocol/device/offer.ts";
import type { DeviceReport } from "../protocol/device/report.ts";
import type { Slot } from "../protocol/device/status.ts";
import { faultPoint } from "../runtime/faults.ts";
import type { AttemptRunner } from "./attempt-runner.ts";
import { judgeOffer, refusal } from "./offers.ts";
import type { OfferVerdict } from "./offers.ts";
import type { Prepared, ReleasePreparer } from "./release-preparer.ts";
import type { Outbox } from "./reports/outbox.ts";
import type { Retrier } from "./retrier.ts";
import type { Evidence } from "./slots/evidence.ts";
import type { Step } from "./steps/step.ts";
import type { StepTools } from "./steps/step-context.ts";
import { writeSlotRecord } from "./state/slot-record.ts";

type Refusal = Extract<OfferVerdict, { kind: "refuse" }>;

/** What the worker needs to know of the world around it. */
export interface WorkerWorld {
  readonly tenant: string;
  readonly device: string;
  /** Working time, milliseconds since 1970. */
  workingTimeMs(): number;
  isWithdrawn(offer: OfferPayload): boolean;
}

export interface OfferObserver {
  /** `accepted`, `known`, `repeat`, `untrusted-offer`, or the reason of a refusal. */
  offerAnswered(answer: string): void;
}

export class SlotWorker {
  readonly #tools: StepTools;
  readonly #slot: Slot;
  readonly #world: WorkerWorld;
  readonly #runner: AttemptRunner;
  readonly #preparer: ReleasePreparer;
  readonly #outbox: Outbox;
  readonly #evidence: Evidence;
  readonly #retrier: Retrier;
  readonly #observer: OfferObserver;
  #inbox: OfferPayload | null = null;
  /** Out of the inbox, being looked at, not yet accepted. */
  #candidate: OfferPayload | null = null;
  /** An acceptance that is being written down; null = none. */
  #accepting: Promise<Refusal | null> | null = null;
  /** Aborted when the inbox gets something; a new one a turn. */
  #arrival = new AbortController();

  constructor(options: {
    tools: StepTools;
    slot: Slot;
    world: WorkerWorld;
    runner: AttemptRunner;
    preparer: ReleasePreparer;
    outbox: Outbox;
    evidence: Evidence;
    retrier: Retrier;
    observer: OfferObserver;
  }) {
    this.#tools = options.tools;
    this.#slot = options.slot;
    this.#world = options.world;
    this.#runner = options.runner;
    this.#preparer = options.preparer;
    this.#outbox = options.outbox;
    this.#evidence = options.evidence;
    this.#retrier = options.retrier;
    this.#observer = options.observer;
  }

  /** Takes a verified offer, or answers it at once. */
  async receive(offer: OfferPayload, halt: AbortSignal): Promise<OfferVerdict> {
    const verdict = this.#judge(offer, this.#inbox ?? this.#candidate);
    if (verdict.kind === "known" || verdict.kind === "repeat") {
      this.#observer.offerAnswered(verdict.kind);
    }
    if (verdict.kind === "repeat") {
      await this.#durably(halt, () => this.#outbox.repeat(verdict.answer));
    } else if (verdict.kind === "refuse") {
      await this.#refuseAsJudged(offer, verdict, halt);
    } else if (verdict.kind === "take") {
      const replaced = this.#inbox;
      this.#inbox = offer;
      this.#arrival.abort();
      if (replaced !== null) await this.#refuseOutdated(replaced, offer, halt);
    }
    return verdict;
  }

  /** What is withdrawn from now on will not be accepted: resolves when that is certain. */
  async acceptanceSettled(): Promise<void> {
    await this.#accepting;
  }

  /** Works until `stop` (at a boundary) or `halt` (at once). `stop` aborts whenever `halt` does. */
  async run(stop: AbortSignal, halt: AbortSignal): Promise<void> {
    try {
      await this.#runner.resume(halt);
      while (!stop.aborted) await this.#turn(stop, halt);
    } catch (error) {
      if (!halt.aborted) throw error;
    }
  }

  async #turn(stop: AbortSignal, halt: AbortSignal): Promise<void> {
    const offer = this.#inbox;
    this.#inbox = null;
    this.#candidate = offer;
    this.#arrival = new AbortController();
    const interrupt = AbortSignal.any([stop, this.#arrival.signal]);
    if (offer !== null) {
      await this.#consider(offer, { interrupt, stop, halt });
      this.#candidate = null;
    } else if (this.#tools.journal.slot(this.#slot).attempt !== null) {
      await this.#runner.advance({ interrupt, halt });
    } else {
      await aborted(interrupt);
    }
  }

  async #consider(
    offer: OfferPayload,
    signals: { interrupt: AbortSignal; stop: AbortSignal; halt: AbortSignal },
  ): Promise<void> {
    const { interrupt, stop, halt } = signals;
    // Time has passed since it was received: an attempt may have ended, the offer expired.
    const verdict = this.#judge(offer, null);
    if (verdict.kind === "refuse") await this.#refuseAsJudged(offer, verdict, halt);
    if (verdict.kind !== "take") return;
    const prepared = await this.#prepare(offer, interrupt);
    if (prepared === null) {
      const newer = this.#inbox;
      // Not accepted yet, so nothing is owed when the agent stops: it will be offered again.
      if (newer !== null && !stop.aborted) await this.#refuseOutdated(offer, newer, halt);
      return;
    }
    if (prepared.kind === "refused") return this.#refuseForGood(offer, prepared, halt);
    // It may have been withdrawn, or have expired, while the release was looked at.
    const still = this.#judge(offer, null);
    if (still.kind === "refuse") return this.#refuseAsJudged(offer, still, halt);
    if (this.#tools.journal.slot(this.#slot).attempt !== null) {
      const ended = await this.#runner.supersede(offer.generation, halt);
      if (ended === "interrupted") return;
    }
    // Only now: taking the older attempt back may have changed what the slot holds.
    const steps = await this.#preparer.plan(offer, prepared.target, halt);
    this.#accepting = this.#accept(offer, steps, halt);
    try {
      const late = await this.#accepting;
      if (late !== null) await this.#refuseAsJudged(offer, late, halt);
    } finally {
      this.#accepting = null;
    }
  }

  /** Null when it was interrupted. */
  async #prepare(offer: OfferPayload, interrupt: AbortSignal): Promise<Prepared | null> {
    try {
      faultPoint("agent.prepare.before");
      const prepared = await this.#preparer.prepare(offer, interrupt);
      faultPoint("agent.prepare.after");
      return prepared;
    } catch (error) {
      if (interrupt.aborted) return null;
      this.#tools.logger.warn("The offer could not be prepared.", { slot: this.#slot, error });
      const full = error instanceof Error && "code" in error && error.code === "no_space";
      const reason = full ? "no-space" : "internal";
      const detail = full
        ? "the disk is full"
        : "the agent could not prepare the offer; see its log";
      return { kind: "refused", reason, detail };
    }
  }

  /**
   * The point of no return: what is accepted ends with a report, whatever happens. Answers why it
   * was not accepted after all, when it expired or was withdrawn before the disk took that.
   */
  async #accept(
    offer: OfferPayload,
    steps: readonly Step[],
    halt: AbortSignal,
  ): Promise<Refusal | null> {
    const { files, layout, journal, logger } = this.#tools;
    faultPoint("agent.accept.before");
    const highestGeneration = offer.generation;
    const slot = this.#slot;
    const unnumbered = await this.#whileGood(offer, halt, () =>
      writeSlotRecord({ files, layout, slot, highestGeneration }),
    );
    if (unnumbered !== null) return unnumbered;
    faultPoint("agent.accept.middle");
    const unwritten = await this.#whileGood(offer, halt, () =>
      journal.updateSlot(slot, (state) => ({
        ...state,
        highestGeneration,
        answer: null,
        attempt: {
          offer,
          from: state.active,
          steps,
          stepIndex: 0,
          furthestIndex: 0,
          startCount: 0,
          phase: "accepted",
          undoing: null,
          outcome: null,
        },
      })),
    );
    if (unwritten !== null) {
      // A try that failed may stand on the disk all the same, and would be found after a crash.
      await this.#durably(halt, () => journal.updateSlot(slot, (state) => state));
      return unwritten;
    }
    faultPoint("agent.accept.after");
    this.#observer.offerAnswered("accepted");
    const { generation, rolloutName, action, release } = offer;
    const kinds = steps.map((step) => step.kind);
    logger.info("Accepted an offer.", { slot, generation, rolloutName, action, release, kinds });
    return null;
  }

  /** Writes, again and again if need be; looks before each try whether the offer is still good. */
  #whileGood(
    offer: OfferPayload,
    halt: AbortSignal,
    write: () => Promise<unknown>,
  ): Promise<Refusal | null> {
    return this.#durably(halt, async () => {
      const verdict = this.#judge(offer, null);
      if (verdict.kind === "refuse") return verdict;
      await write();
      return null;
    });
  }

  #judge(offer: OfferPayload, queued: OfferPayload | null): OfferVerdict {
    return judgeOffer({
      offer,
      queued,
      slot: this.#tools.journal.slot(this.#slot),
      tenant: this.#world.tenant,
      device: this.#world.device,
      isWithdrawn: this.#world.isWithdrawn(offer),
      nowMs: this.#world.workingTimeMs(),
    });
  }

  async #refuse(
    offer: OfferPayload,
    refusalOf: Pick<DeviceReport, "detail"> & { reason: NonNullable<DeviceReport["reason"]> },
    halt: AbortSignal,
  ): Promise<DeviceReport | null> {
    const { reason, detail = "" } = refusalOf;
    const { rollout, generation } = offer;
    this.#tools.logger.info("Refused an offer.", { slot: this.#slot, generation, reason, detail });
    const { digest } = this.#evidence.status(this.#slot);
    // What is still to be sent about this generation is its answer; a refusal behind it would lie.
    if (this.#outbox.knows(rollout, generation)) return null;
    const draft = refusal({ offer, reason, detail, digest });
    const report = await this.#durably(halt, () => this.#outbox.add(draft, { isLast: true }));
    this.#observer.offerAnswered(reason);
    return report;
  }

  /**
   * What is late or taken back stays refused; the center draws a new generation for another try.
   */
  async #refuseAsJudged(
    offer: OfferPayload,
    refused: { reason: NonNullable<DeviceReport["reason"]>; detail: string },
    halt: AbortSignal,
  ): Promise<void> {
    const isForGood = refused.reason === "expired" || refused.reason === "withdrawn";
    if (isForGood) await this.#refuseForGood(offer, refused, halt);
    else await this.#refuse(offer, refused, halt);
  }

  /** Remembers the answer: the same generation, offered again, must not be accepted after all. */
  async #refuseForGood(
    offer: OfferPayload,
    refused: { reason: NonNullable<DeviceReport["reason"]>; detail: string },
    halt: AbortSignal,
  ): Promise<void> {
    const answer = await this.#refuse(offer, refused, halt);
    if (answer === null) return;
    await this.#durably(halt, () =>
      this.#tools.journal.updateSlot(this.#slot, (state) => ({ ...state, answer })),
    );
  }

  async #refuseOutdated(
    offer: OfferPayload,
    newer: OfferPayload,
    halt: AbortSignal,
  ): Promise<void> {
    const detail = `generation ${newer.generation} came before it was accepted`;
    await this.#refuse(offer, { reason: "older-generation", detail }, halt);
  }

  #durably<T>(halt: AbortSignal, write: () => Promise<T>): Promise<T> {
    return this.#retrier.untilDone("write down what the agent does", write, halt);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
