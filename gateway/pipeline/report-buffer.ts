// SPDX-License-Identifier: Apache-2.0
/**
 * Reports between the device and the center. A report is held in memory until the center says that
 * it is durable, and only then acknowledged to the device; the device keeps it until then, so a
 * gateway that dies loses nothing.
 *
 *     received → (waits for the session's ordinal) → batched → sent → acknowledged
 *
 * Batches go up in order, numbered from 1, at most 1,000 reports or 100 ms each. After a break of
 * the uplink every batch that was not acknowledged goes up again, with its number.
 *
 * Limits: 32 reports a session, 200,000 reports and 64 MiB in all (10 for each of 20,000 devices,
 * with a failure's output). At a limit `add` refuses and the caller closes the session: the device
 * comes back and sends again.
 */
import assert from "node:assert/strict";
import type { Clock } from "../../ports/clock.ts";
import type { DeviceReport } from "../../protocol/device/report.ts";
import { faultPoint } from "../../runtime/faults.ts";
import { grown } from "../columns.ts";
import { MAX_HELD_MESSAGES } from "../sessions/ack-queue.ts";
import type { SessionObserver } from "../sessions/session-lifecycle.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import { BatchPacer } from "../uplink/batch-pacer.ts";
import type { CenterMessage, UplinkSource, WakeUplink } from "../uplink/uplink-source.ts";
import { heldBytes, PendingBatch, type HeldReport } from "./report-batch.ts";

export const MAX_HELD_REPORTS = 200_000;
export const MAX_HELD_BYTES: number = 64 * 2 ** 20;
const BATCH_COUNT_MAX = 1_000;
/** The local id of a report that no session waits for. */
const NOBODY = -1;
const BATCH_DELAY_MS = 100;

export interface ReportBufferOptions {
  readonly table: SessionTable;
  readonly clock: Clock;
  readonly wake: WakeUplink;
  readonly maxHeldReports?: number;
  readonly maxHeldBytes?: number;
}

export class ReportBuffer implements SessionObserver, UplinkSource {
  readonly #table: SessionTable;
  readonly #pacer: BatchPacer;
  readonly #maxHeldReports: number;
  readonly #maxHeldBytes: number;
  /** Reports of sessions whose ordinal is not known, by slot. */
  readonly #unidentified = new Map<number, HeldReport[]>();
  #heldBySlot: Uint8Array = new Uint8Array(0);
  #heldCount = 0;
  #heldBytes = 0;
  #open: PendingBatch = new PendingBatch();
  /** Sealed and not acknowledged, in order; the first has the lowest number. */
  readonly #sealed: PendingBatch[] = [];
  #lastSequence = 0n;
  /** How many of `#sealed` went up on this stream. */
  #sentCount = 0;

  constructor(options: ReportBufferOptions) {
    this.#table = options.table;
    this.#maxHeldReports = options.maxHeldReports ?? MAX_HELD_REPORTS;
    this.#maxHeldBytes = options.maxHeldBytes ?? MAX_HELD_BYTES;
    this.#pacer = new BatchPacer({
      clock: options.clock,
      maxDelayMs: BATCH_DELAY_MS,
      maxCount: BATCH_COUNT_MAX,
      onDue: options.wake,
    });
  }

  get heldCount(): number {
    return this.#heldCount;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** Of this session, not acknowledged. */
  heldOf(slot: number): number {
    return this.#heldBySlot[slot] ?? 0;
  }

  /** False when a bound is reached: nothing was taken. `ticket` -1: nobody waits for an answer. */
  add(slot: number, ticket: number, report: DeviceReport): boolean {
    this.#reserve(slot);
    if ((this.#heldBySlot[slot] as number) >= MAX_HELD_MESSAGES) return false;
    if (!this.#hold(report)) return false;
    this.#heldBySlot[slot] = (this.#heldBySlot[slot] as number) + 1;
    const held = { localId: this.#table.localId(slot), ticket, report };
    const ordinal = this.#table.ordinal[slot] as number;
    if (ordinal !== 0) this.#batch(ordinal, held);
    else this.#waitForOrdinal(slot, held);
    return true;
  }

  /** A report of a device that has no session any more; false as in `add`. */
  addAbsent(ordinal: number, report: DeviceReport): boolean {
    if (!this.#hold(report)) return false;
    this.#batch(ordinal, { localId: NOBODY, ticket: -1, report });
    return true;
  }

  /** The center holds this batch and every earlier one. */
  acknowledge(batchSequence: bigint): void {
    while (
      this.#sealed[0] !== undefined &&
      this.#sealed[0].message.batchSequence <= batchSequence
    ) {
      const batch = this.#sealed.shift() as PendingBatch;
      this.#sentCount = Math.max(0, this.#sentCount - 1);
      this.#heldCount -= batch.count;
      this.#heldBytes -= batch.bytes;
      faultPoint("gateway.report.acknowledged");
      for (let index = 0; index < batch.count; index += 1) {
        this.#answer(batch.localIds[index] as number, batch.tickets[index] as number);
      }
    }
  }

  sessionOpened(slot: number): void {
    this.#reserve(slot);
    this.#heldBySlot[slot] = 0;
  }

  sessionIdentified(slot: number): void {
    const waiting = this.#unidentified.get(slot);
    if (waiting === undefined) return;
    this.#unidentified.delete(slot);
    for (const held of waiting) this.#batch(this.#table.ordinal[slot] as number, held);
  }

  sessionReady(): void {}

  /** What is batched goes up all the same; the rest has no ordinal and comes again. */
  sessionClosed(slot: number): void {
    const waiting = this.#unidentified.get(slot) ?? [];
    this.#unidentified.delete(slot);
    for (const { report } of waiting) {
      this.#heldCount -= 1;
      this.#heldBytes -= heldBytes(report);
    }
  }

  linkOpened(): void {
    this.#sentCount = 0;
  }

  linkLost(): void {
    this.#sentCount = 0;
  }

  hurry(): void {
    if (this.#open.count > 0) this.#pacer.hurry();
  }

  next(): CenterMessage | null {
    if (this.#sentCount === this.#sealed.length && this.#pacer.isDue) this.#seal();
    const batch = this.#sealed[this.#sentCount];
    if (batch === undefined) return null;
    this.#sentCount += 1;
    return { case: "reports", value: batch.message };
  }

  #hold(report: DeviceReport): boolean {
    const bytes = heldBytes(report);
    if (this.#heldCount >= this.#maxHeldReports) return false;
    if (this.#heldBytes + bytes > this.#maxHeldBytes) return false;
    faultPoint("gateway.report.received");
    this.#heldCount += 1;
    this.#heldBytes += bytes;
    return true;
  }

  #batch(ordinal: number, held: HeldReport): void {
    if (this.#open.count === BATCH_COUNT_MAX) this.#seal();
    this.#open.add(ordinal, held);
    this.#pacer.added(this.#open.count);
  }

  #seal(): void {
    if (this.#open.count > 0) {
      this.#lastSequence += 1n;
      this.#open.message.batchSequence = this.#lastSequence;
      this.#sealed.push(this.#open);
      this.#open = new PendingBatch();
      faultPoint("gateway.report.batched");
    }
    this.#pacer.taken(0);
  }

  #waitForOrdinal(slot: number, held: HeldReport): void {
    const waiting = this.#unidentified.get(slot);
    if (waiting === undefined) this.#unidentified.set(slot, [held]);
    else waiting.push(held);
  }

  #answer(localId: number, ticket: number): void {
    const slot = localId === NOBODY ? -1 : this.#table.slotOfLocalId(localId);
    if (slot === -1) return;
    const heldCount = this.#heldBySlot[slot] as number;
    assert(heldCount > 0, "an acknowledged report was held");
    this.#heldBySlot[slot] = heldCount - 1;
    if (ticket !== -1) this.#table.link(slot).acknowledge(ticket);
  }

  #reserve(slot: number): void {
    if (slot < this.#heldBySlot.length) return;
    const capacity = Math.max(this.#table.state.length, slot + 1);
    this.#heldBySlot = grown(this.#heldBySlot, new Uint8Array(capacity));
  }
}
