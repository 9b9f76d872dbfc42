// SPDX-License-Identifier: Apache-2.0
/**
 * The agent itself: what comes down the link goes to the worker of its slot, what the slots show
 * goes up as evidence. It touches the world through its parts only, so that a whole fleet of agents
 * also runs on virtual time.
 */
import type { Clock } from "../ports/clock.ts";
import { delay } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import { MAX_OFFER_BYTES, withdrawMessageSchema } from "../protocol/device/offer.ts";
import type { OfferPayload } from "../protocol/device/offer.ts";
import { FEATURES, SLOTS } from "../protocol/device/status.ts";
import type { CodecName } from "../protocol/device/codec-names.ts";
import type { DeviceHeartbeat, DeviceHello, Slot } from "../protocol/device/status.ts";
import type { DownChannel } from "../protocol/device/topics.ts";
import type { HeartbeatPace } from "./link/heartbeat-pace.ts";
import type { OfferGate } from "./link/offer-gate.ts";
import type { Inventory } from "./release-preparer.ts";
import type { OfferObserver, SlotWorker } from "./slot-worker.ts";
import type { Evidence } from "./slots/evidence.ts";
import { knownSlots } from "./state/journal-state.ts";
import type { Journal } from "./state/journal.ts";

/**
 * Withdrawn offers are remembered for when their offer arrives behind them; few can be in flight.
 */
const WITHDRAWN_MAX = 64;

export interface AgentParts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly journal: Journal;
  readonly evidence: Evidence;
  readonly gate: OfferGate;
  readonly pace: HeartbeatPace;
  readonly workers: ReadonlyMap<Slot, SlotWorker>;
  readonly withdrawals: Withdrawals;
  readonly observer: OfferObserver;
  /** As hello states it: `muster-agent/0.1.0`. */
  readonly agentName: string;
  readonly inventory: Inventory;
  readonly evidenceIntervalMs: number;
  /** Ends everything at once. */
  readonly halt: AbortSignal;
}

export class Agent {
  readonly #parts: AgentParts;
  #heartbeatSequence = 0;

  constructor(parts: AgentParts) {
    this.#parts = parts;
  }

  /** Measures what runs, before anybody is told. */
  async measure(): Promise<void> {
    const { journal, evidence, halt } = this.#parts;
    for (const slot of knownSlots(journal.state)) await evidence.measure(slot, halt);
  }

  /** Until `stop`: carries out what was begun and what comes, and measures periodically. */
  async run(stop: AbortSignal): Promise<void> {
    const { halt } = this.#parts;
    const workers = [...this.#parts.workers.values()].map((worker) => worker.run(stop, halt));
    await Promise.all([...workers, this.#measurePeriodically(stop)]);
  }

  hello(codec: CodecName): DeviceHello {
    const { agentName, inventory, evidence } = this.#parts;
    const slots = evidence.statuses();
    return { protocol: 1, agent: agentName, codec, inventory, slots, features: FEATURES };
  }

  heartbeat(): DeviceHeartbeat {
    this.#heartbeatSequence += 1;
    return { sequence: this.#heartbeatSequence, slots: this.#parts.evidence.statuses() };
  }

  onChange(listener: () => void): () => void {
    return this.#parts.evidence.onChange(listener);
  }

  /**
   * One message from the gateway. Returns when it is taken or answered; then it is acknowledged.
   */
  async receive(channel: DownChannel, payload: Uint8Array): Promise<void> {
    const { logger, gate, workers, withdrawals, observer, pace, halt } = this.#parts;
    if (channel === "config") return pace.hear(payload);
    if (channel !== "offer") {
      logger.debug("A message on a channel that this agent does not use.", { channel });
      return;
    }
    const message = parse(payload);
    const withdrawal = withdrawMessageSchema.safeParse(message);
    if (withdrawal.success) {
      withdrawals.add(withdrawal.data.withdraw);
      // Acknowledged, it is a promise: nothing of that generation is accepted later.
      await Promise.all([...workers.values()].map((worker) => worker.acceptanceSettled()));
      return;
    }
    const verdict = await gate.verify(message, halt);
    if (verdict.kind === "untrusted") {
      // Nothing in it can be believed, not even which attempt a report would have to name.
      logger.warn("An offer that cannot be trusted was dropped.", { detail: verdict.detail });
      observer.offerAnswered("untrusted-offer");
      return;
    }
    const { offer } = verdict;
    const worker = workers.get(offer.slot);
    if (worker === undefined) throw new Error(`assertion failed: no worker for slot ${offer.slot}`);
    await worker.receive(offer, halt);
  }

  async #measurePeriodically(stop: AbortSignal): Promise<void> {
    const { clock, evidence, journal, evidenceIntervalMs, logger } = this.#parts;
    try {
      for (;;) {
        await delay(clock, evidenceIntervalMs, stop);
        for (const slot of SLOTS) {
          // Around a switch the attempt itself measures, and a health check now could disturb it.
          const isChanging = journal.slot(slot).attempt?.phase === "installing";
          if (!isChanging) await evidence.measure(slot, stop);
        }
      }
    } catch (error) {
      if (!stop.aborted) throw error;
      logger.debug("Measuring has stopped.");
    }
  }
}

/** What a gateway has taken back; bounded, the oldest goes first. */
export class Withdrawals {
  readonly #keys = new Set<string>();

  add(attempt: { readonly rollout: number; readonly generation: number }): void {
    this.#keys.add(`${attempt.rollout}-${attempt.generation}`);
    const [oldest] = this.#keys;
    if (this.#keys.size > WITHDRAWN_MAX && oldest !== undefined) this.#keys.delete(oldest);
  }

  has(offer: OfferPayload): boolean {
    return this.#keys.has(`${offer.rollout}-${offer.generation}`);
  }
}

/** Null when it is too large or not JSON: the gate refuses null. */
function parse(payload: Uint8Array): unknown {
  if (payload.byteLength > MAX_OFFER_BYTES) return null;
  try {
    return JSON.parse(Buffer.from(payload).toString("utf8"));
  } catch {
    return null;
  }
}
