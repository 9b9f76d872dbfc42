// SPDX-License-Identifier: Apache-2.0
/**
 * Plan leases in the life of a gateway: takes them from the center, keeps them on disk, offers to
 * the devices that are connected, gives back what it cannot use.
 *
 * Order, each step after the one before is durable:
 * - lease received → on disk → offered;
 * - stop epoch received → on disk → withdrawn and given back → acknowledged, and once more with
 *   later counts: when every device that had an offer is accounted for, else twice a second;
 * - entry closed → on disk → given back. (Else a crash could offer what another gateway has.)
 *
 * A lease lists devices that were connected when the center wrote it; whoever is not any more goes
 * back at once, and so does an entry whose session ends before the device answered. Only where the
 * session is held for the device to come back (`KeptSessions`) do they wait for as long.
 */
import { create } from "@bufbuild/protobuf";
import type { CancelTimer, Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import {
  LeaseReturnSchema,
  StopAcknowledgementSchema,
  type LeaseRenewal,
  type PlanLease,
  type StopEpoch,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";
import { MAX_OFFER_BYTES } from "../../protocol/device/offer.ts";
import { offerLeaves, offerMessages } from "../../protocol/device/offer-batch.ts";
import { faultPoint } from "../../runtime/faults.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { ReportListener } from "../pipeline/device-intake.ts";
import type { KeptSessions } from "../sessions/kept-sessions.ts";
import type { SessionLifecycle, SessionObserver } from "../sessions/session-lifecycle.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import type { ControlOutbox } from "../uplink/control-outbox.ts";
import { Lease, type LeaseContent, type ReturnedEntries } from "./lease.ts";
import { LEASE_ID_PATTERN, type LeaseJournal } from "./lease-journal.ts";
import { MAX_LEASE_ENTRIES, type LeaseTable } from "./lease-table.ts";
import type { OfferDispatcher } from "./offer-dispatcher.ts";
import { recipients } from "./offline-queue.ts";
import type { StopTally } from "./stop-tallies.ts";

const LOOKS_A_DETECTION = 4;
/** How long after a restart the devices of kept leases may take to come back, ms. */
const RESTORED_WAIT_MS = 30_000;

type StopFacts = Pick<StopTally, "rollout" | "stopEpoch"> & Partial<StopTally>;

export interface LeaseServiceOptions {
  readonly table: SessionTable;
  readonly lifecycle: SessionLifecycle;
  readonly kept: KeptSessions;
  readonly leases: LeaseTable;
  readonly journal: LeaseJournal;
  readonly dispatcher: OfferDispatcher;
  readonly outbox: ControlOutbox;
  readonly clock: Clock;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  /** Time to find out, ms: what has expired is looked for four times in it. */
  readonly detectionMs: number;
}

export class LeaseService implements SessionObserver, ReportListener {
  readonly #table: SessionTable;
  readonly #lifecycle: SessionLifecycle;
  readonly #kept: KeptSessions;
  readonly #leases: LeaseTable;
  readonly #journal: LeaseJournal;
  readonly #dispatcher: OfferDispatcher;
  readonly #outbox: ControlOutbox;
  readonly #clock: Clock;
  readonly #metrics: GatewayMetrics;
  readonly #logger: Logger;
  readonly #expiryIntervalMs: number;
  /** To go to the center after the next save, merged by lease. */
  #returns = new Map<string, ReturnedEntries>();
  #flushing: Promise<void> | null = null;
  #cancelTimer: CancelTimer | null = null;
  #restoredUntilMs = Infinity;

  constructor(options: LeaseServiceOptions) {
    this.#table = options.table;
    this.#lifecycle = options.lifecycle;
    this.#kept = options.kept;
    this.#leases = options.leases;
    this.#journal = options.journal;
    this.#dispatcher = options.dispatcher;
    this.#outbox = options.outbox;
    this.#clock = options.clock;
    this.#metrics = options.metrics;
    this.#logger = options.logger;
    this.#expiryIntervalMs = Math.max(1, options.detectionMs / LOOKS_A_DETECTION);
  }

  start(): void {
    this.#restoredUntilMs = this.#clock.monotonicMs() + RESTORED_WAIT_MS;
    this.#arm();
  }

  stop(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = null;
  }

  /** The center gave a lease. */
  async take(message: PlanLease): Promise<void> {
    const expiresAtMs = this.#clock.monotonicMs() + message.timeToLiveMs;
    faultPoint("gateway.lease.received");
    const places = { table: this.#table, kept: this.#kept, leases: this.#leases };
    const content = readLease(message, (ordinals, offers) => recipients(places, ordinals, offers));
    if (content === null) {
      this.#logger.error("plan lease is malformed", { leaseId: message.leaseId });
      return;
    }
    const { kept, absent } = splitByPresence(content);
    if (absent !== null) this.#pushReturn(absent);
    if (kept.ordinals.length === 0) return;
    const lease = new Lease({ content: kept, expiresAtMs });
    try {
      await this.#journal.storeContent(kept);
      const outcome = this.#leases.add(lease, this.#clock.monotonicMs());
      if (outcome === "known") return void this.#leases.renew(kept.id, expiresAtMs);
      if (outcome !== "added") return this.#refuse(kept, outcome);
      await this.#journal.save();
    } catch (error) {
      // A lease that is not on disk must not be used: after a crash nobody would know of it.
      this.#logger.error("plan lease could not be kept", { leaseId: kept.id, error });
      if (this.#leases.has(kept.id)) this.#giveBack(this.#leases.revoke(kept.id));
      else this.#refuse(kept, "no_space");
      return;
    }
    faultPoint("gateway.lease.persisted");
    for (const device of kept.devices) {
      // Whoever went while the lease was written is not told of by its session's end.
      if (this.#isHere(device)) this.#dispatch(device);
      else if (!this.#kept.isHeld(device)) this.#giveBack(this.#leases.returnDevice(device));
    }
  }

  async renew(message: LeaseRenewal): Promise<void> {
    const expiresAtMs = this.#clock.monotonicMs() + message.timeToLiveMs;
    for (const id of message.leaseIds) this.#leases.renew(id, expiresAtMs);
    for (const id of message.revokedLeaseIds) this.#giveBack(this.#leases.revoke(id));
    await this.#save();
  }

  /** Resolves when the acknowledgement is on its way. */
  async stopRollout(message: StopEpoch): Promise<void> {
    const { rollout, stopEpoch } = message;
    this.#leases.raiseStopEpoch(rollout, Number(stopEpoch));
    const { withdrawing, returned } = this.#leases.stop(rollout);
    await this.#save();
    faultPoint("gateway.stop.persisted");
    for (const { lease, index } of withdrawing) {
      const device = lease.content.devices[index] as string;
      if (this.#isHere(device)) this.#dispatch(device);
      // Whoever is away cannot be told: the center has to know now, not when it is back.
      else this.#giveBack(this.#leases.returnStopped(device));
    }
    this.#giveBack(returned);
    await this.#flushing;
    const tally = this.#leases.stopTallies.acknowledge(rollout);
    // Without a tally every device was accounted for when this stop was heard of before.
    this.#pushStop({ rollout, stopEpoch: Number(stopEpoch), ...tally });
    faultPoint("gateway.stop.acknowledged");
  }

  #tellStops(which: "complete" | "all"): void {
    for (const tally of this.#leases.stopTallies.changed(which)) this.#pushStop(tally);
  }

  #pushStop({ rollout, stopEpoch, ...counts }: StopFacts): void {
    const facts = { rollout, stopEpoch: BigInt(stopEpoch), counts };
    const value = create(StopAcknowledgementSchema, facts);
    this.#outbox.push({ case: "stopAcknowledgement", value });
  }

  /** Shutting down: what was not sent can be offered by somebody else now. */
  async drain(): Promise<void> {
    this.#giveBack(this.#leases.returnUnsent());
    await this.settled();
  }

  /** Resolves when everything that was given back is on disk and on its way. */
  async settled(): Promise<void> {
    await this.#flushing;
    await this.#save();
  }

  sessionOpened(slot: number): void {
    // Leases kept over a restart know the device's ordinal, also while the center is away.
    const entry = this.#leases.entriesOf(this.#table.device(slot))[0];
    if (entry === undefined) return;
    const ordinal = entry.lease.content.ordinals[entry.index] as number;
    this.#lifecycle.identify(slot, ordinal);
  }

  sessionIdentified(): void {}

  sessionReady(slot: number): void {
    this.#dispatch(this.#table.device(slot));
  }

  sessionClosed(slot: number): void {
    const device = this.#table.device(slot);
    const isHeld = this.#kept.isHeld(device);
    this.#giveBack(isHeld ? this.#leases.returnStopped(device) : this.#leases.returnDevice(device));
    this.#tellStops("complete");
  }

  /** The device did not come back in time, or came back as somebody new. */
  holdEnded(device: string): void {
    if (!this.#isHere(device)) this.#giveBack(this.#leases.returnDevice(device));
    this.#tellStops("complete");
  }

  #isHere(device: string): boolean {
    return this.#table.slotOfDevice(device) !== -1;
  }

  reportTaken(device: string, rollout: number, generation: number): void {
    const isAnswer = this.#leases.answer(device, rollout, generation);
    // Not waited for: a repeated offer of a generation that the device knows does nothing.
    if (isAnswer) void this.#save();
    this.#tellStops("complete");
  }

  #arm(): void {
    this.#cancelTimer = this.#clock.setTimer(this.#expiryIntervalMs, () => {
      this.#expire(this.#clock.monotonicMs());
      this.#arm();
    });
  }

  #expire(nowMs: number): void {
    this.#giveBack(this.#leases.expire(nowMs));
    this.#tellStops("all");
    if (nowMs < this.#restoredUntilMs) return;
    this.#restoredUntilMs = Infinity;
    for (const device of this.#leases.restoredDevices()) {
      if (this.#isHere(device) || this.#kept.isHeld(device)) continue;
      this.#giveBack(this.#leases.returnDevice(device));
    }
  }

  #dispatch(device: string): void {
    this.#giveBack(this.#dispatcher.dispatch(device, () => this.#tellStops("complete")));
  }

  #refuse(content: LeaseContent, reason: string): void {
    this.#logger.info("plan lease refused", { leaseId: content.id, reason });
    this.#metrics.offersEnded("refused", content.ordinals.length);
    this.#pushReturn(unsentReturn(content));
  }

  #giveBack(returned: readonly ReturnedEntries[]): void {
    if (returned.length === 0) return;
    for (const entries of returned) {
      const waiting = this.#returns.get(entries.leaseId);
      if (waiting === undefined) this.#returns.set(entries.leaseId, entries);
      else {
        waiting.positions.push(...entries.positions);
        waiting.generations.push(...entries.generations);
        waiting.sent.push(...entries.sent);
      }
    }
    this.#flushing ??= this.#flushReturns();
  }

  async #flushReturns(): Promise<void> {
    while (this.#returns.size > 0) {
      const returns = this.#returns;
      this.#returns = new Map();
      await this.#save();
      for (const entries of returns.values()) this.#pushReturn(entries);
    }
    this.#flushing = null;
  }

  #pushReturn(entries: ReturnedEntries): void {
    this.#metrics.offersEnded("returned", entries.positions.length);
    const { leaseId, rollout, positions, generations, sent } = entries;
    const value = create(LeaseReturnSchema, { leaseId, rollout, positions, generations, sent });
    this.#outbox.push({ case: "leaseReturn", value });
    faultPoint("gateway.lease.returned");
  }

  /** A failed save leaves no state file: safe, and nothing else can be done but to say so. */
  async #save(): Promise<void> {
    try {
      await this.#journal.save();
    } catch (error) {
      this.#logger.error("leases could not be written; a restart will hold none", { error });
    }
  }
}

/** The lease as columns with the devices' names ("" = not here); null when it is malformed. */
function readLease(
  message: PlanLease,
  recipientsOf: (ordinals: readonly number[], offers: readonly Uint8Array[]) => string[],
): LeaseContent | null {
  const { positions, ordinals, generations } = message;
  const count = ordinals.length;
  if (count > MAX_LEASE_ENTRIES || positions.length !== count) return null;
  const offers = offersOf(message);
  const isWhole =
    LEASE_ID_PATTERN.test(message.leaseId) &&
    generations.length === count &&
    offers.length === count &&
    offers.every((offer) => offer.length <= MAX_OFFER_BYTES);
  if (!isWhole) return null;
  const devices = recipientsOf(ordinals, offers);
  const { leaseId: id, rollout } = message;
  const stopEpoch = Number(message.stopEpoch);
  return { id, rollout, stopEpoch, positions, ordinals, generations, offers, devices };
}

/** The devices' messages: as they came, or made here from what they share. */
function offersOf(message: PlanLease): readonly Uint8Array[] {
  const { offerBatch, positions, generations } = message;
  if (offerBatch === undefined) return message.offers;
  const { head, signature, keyId, templateIndexes, devices, nonces } = offerBatch;
  const templates = offerBatch.templates.map(({ parts }) => parts);
  const columns = { templates, templateIndexes, positions, generations, devices, nonces };
  const leaves = offerLeaves(columns);
  return leaves === null ? [] : offerMessages(leaves, { head, signature, keyId });
}

/** The entries of devices that are here, and the others as a return. */
function splitByPresence(content: LeaseContent): {
  readonly kept: LeaseContent;
  readonly absent: ReturnedEntries | null;
} {
  if (!content.devices.includes("")) return { kept: content, absent: null };
  return {
    kept: pick(content, (device) => device !== ""),
    absent: unsentReturn(pick(content, (device) => device === "")),
  };
}

function pick(content: LeaseContent, isPicked: (device: string) => boolean): LeaseContent {
  const only = <Value>(column: readonly Value[]): Value[] =>
    column.filter((_, index) => isPicked(content.devices[index] as string));
  return {
    ...content,
    positions: only(content.positions),
    ordinals: only(content.ordinals),
    generations: only(content.generations),
    offers: only(content.offers),
    devices: only(content.devices),
  };
}

function unsentReturn(content: LeaseContent): ReturnedEntries {
  return {
    leaseId: content.id,
    rollout: content.rollout,
    positions: [...content.positions],
    generations: [...content.generations],
    sent: content.positions.map(() => false),
  };
}
