// SPDX-License-Identifier: Apache-2.0
/**
 * Tells the center who is connected: everybody once after the stream was (re)connected, then who
 * comes and who goes, in batches of at most 1,000 or 20 ms. While there is no stream nothing is
 * collected: the next snapshot says it all.
 *
 * A session that the center granted is closed there by (ordinal, fence). One that ended before its
 * grant came has neither; its grant finds nobody, and is answered by a close.
 */
import { create } from "@bufbuild/protobuf";
import {
  SessionCloseBatchSchema,
  SessionCloseReason,
  SessionOpenBatchSchema,
  type SessionCloseBatch,
} from "../../protocol/gen/muster/v1/gateway_pb.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Presence } from "../presence/presence.ts";
import type { CloseCause } from "../sessions/device-link.ts";
import type { SessionObserver } from "../sessions/session-lifecycle.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import { BatchPacer } from "./batch-pacer.ts";
import type { CenterMessage, UplinkSource, WakeUplink } from "./uplink-source.ts";

const BATCH_COUNT_MAX = 1_000;
const BATCH_DELAY_MS = 20;
/** The most that the wire holds: 49 days. */
const AGE_MAX_MS: number = 2 ** 32 - 1;

export interface SessionAnnouncerOptions {
  readonly table: SessionTable;
  readonly presence: Presence;
  readonly clock: Clock;
  readonly wake: WakeUplink;
  readonly logger: Logger;
}

export class SessionAnnouncer implements SessionObserver, UplinkSource {
  readonly #table: SessionTable;
  readonly #presence: Presence;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #pacer: BatchPacer;
  /** Monotonic ms at which the session in each slot began. */
  readonly #openedAtMs: Float64Array;
  #isLinked = false;
  /** Local ids to announce; the first `#snapshotLeft` belong to the snapshot. */
  #opens: number[] = [];
  #snapshotLeft = 0;
  #snapshot: "none" | "begin" | "under way" = "none";
  #closes: SessionCloseBatch = create(SessionCloseBatchSchema);

  constructor(options: SessionAnnouncerOptions) {
    this.#table = options.table;
    this.#presence = options.presence;
    this.#clock = options.clock;
    this.#openedAtMs = new Float64Array(options.table.maxSlots);
    this.#logger = options.logger;
    this.#pacer = new BatchPacer({
      clock: options.clock,
      maxDelayMs: BATCH_DELAY_MS,
      maxCount: BATCH_COUNT_MAX,
      onDue: options.wake,
    });
  }

  /** Sessions whose begin or end is to be said; a snapshot counts as one more. */
  get waitingCount(): number {
    const snapshotCount = this.#snapshot === "none" ? 0 : 1;
    return this.#opens.length + this.#closes.ordinals.length + snapshotCount;
  }

  /** The center granted a session that is over. */
  grantUnwanted(ordinal: number, fence: number): void {
    this.#pushClose(ordinal, fence, SessionCloseReason.CLOSED, Math.round(this.#clock.wallMs()));
  }

  sessionOpened(slot: number): void {
    this.#openedAtMs[slot] = this.#clock.monotonicMs();
    if (!this.#isLinked) return;
    this.#opens.push(this.#table.localId(slot));
    this.#pacer.added(this.waitingCount);
  }

  sessionIdentified(): void {}

  sessionReady(): void {}

  sessionClosed(slot: number, cause: CloseCause): void {
    const lastSeenMs = this.#presence.lastSeenWallMs(slot);
    if (cause === "silent") {
      const silentMs = Math.round(this.#clock.wallMs()) - lastSeenMs;
      const device = this.#table.device(slot);
      this.#logger.debug("a device fell silent", { device, lastSeenMs, silentMs });
    }
    if (!this.#table.isGranted(slot)) return;
    const { ordinal, fence } = this.#table;
    this.#pushClose(ordinal[slot] as number, fence[slot] as number, reasonOf(cause), lastSeenMs);
  }

  linkOpened(): void {
    this.#isLinked = true;
    this.#opens = [];
    this.#closes = create(SessionCloseBatchSchema);
    for (let slot = 0; slot < this.#table.slotCount; slot += 1) {
      if (this.#table.isOpen(slot)) this.#opens.push(this.#table.localId(slot));
    }
    this.#snapshotLeft = this.#opens.length;
    this.#snapshot = "begin";
    this.#pacer.hurry();
  }

  linkLost(): void {
    this.#isLinked = false;
    this.#pacer.stop();
  }

  hurry(): void {
    if (this.waitingCount > 0) this.#pacer.hurry();
  }

  next(): CenterMessage | null {
    if (!this.#pacer.isDue) return null;
    const message = this.#nextOpens() ?? this.#nextCloses();
    if (message === null || this.waitingCount === 0) this.#pacer.taken(this.waitingCount);
    return message;
  }

  #nextOpens(): CenterMessage | null {
    const isSnapshot = this.#snapshot !== "none";
    if (!isSnapshot && this.#opens.length === 0) return null;
    const batch = create(SessionOpenBatchSchema, { snapshotBegin: this.#snapshot === "begin" });
    const wanted = isSnapshot ? this.#snapshotLeft : this.#opens.length;
    const localIds = this.#opens.splice(0, Math.min(wanted, BATCH_COUNT_MAX));
    for (const localId of localIds) {
      const slot = this.#table.slotOfLocalId(localId);
      if (slot === -1) continue; // It came and went: the center need not know.
      const device = this.#table.device(slot);
      const slash = device.indexOf("/");
      batch.localIds.push(localId);
      batch.tenants.push(device.slice(0, slash));
      batch.devices.push(device.slice(slash + 1));
      batch.certificateSerials.push(this.#table.link(slot).certificateSerial);
      const ageMs = Math.round(this.#clock.monotonicMs() - (this.#openedAtMs[slot] ?? 0));
      batch.openedMsAgo.push(Math.min(ageMs, AGE_MAX_MS));
    }
    if (isSnapshot) {
      this.#snapshotLeft -= localIds.length;
      batch.snapshotEnd = this.#snapshotLeft === 0;
      this.#snapshot = batch.snapshotEnd ? "none" : "under way";
    }
    return { case: "sessionOpen", value: batch };
  }

  #nextCloses(): CenterMessage | null {
    const value = this.#closes;
    if (value.ordinals.length === 0) return null;
    this.#closes = create(SessionCloseBatchSchema);
    return { case: "sessionClose", value };
  }

  #pushClose(ordinal: number, fence: number, reason: SessionCloseReason, lastSeenMs: number): void {
    if (!this.#isLinked) return;
    this.#closes.ordinals.push(ordinal);
    this.#closes.fences.push(BigInt(fence));
    this.#closes.reasons.push(reason);
    this.#closes.lastSeenAtMs.push(BigInt(lastSeenMs));
    this.#pacer.added(this.waitingCount);
  }
}

function reasonOf(cause: CloseCause): SessionCloseReason {
  if (cause === "closed" || cause === "draining") return SessionCloseReason.CLOSED;
  if (cause === "silent") return SessionCloseReason.MISSED_HEARTBEATS;
  return SessionCloseReason.KICKED;
}
