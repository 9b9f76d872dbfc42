// SPDX-License-Identifier: Apache-2.0
/**
 * What each connected device runs, slot by slot, as its hello and heartbeats say. Only changes of
 * (digest, generation, healthy) go up to the center, and everything once the session was granted
 * (again, after the uplink was reconnected): an unchanged heartbeat costs a comparison here and
 * nothing anywhere else.
 *
 * A cell is (session slot, device slot); 9 bytes of columns: devices of a fleet run the same few
 * releases, so a digest is kept once for all of them. A device slot that a heartbeat does
 * not mention keeps its state (a hello mentions all there is). Evidence of a session whose ordinal
 * is not known waits for it.
 *
 * What waits to go up is a list of cells, each at most once: bounded by the cells themselves.
 */
import { create } from "@bufbuild/protobuf";
import {
  SLOTS,
  type Slot,
  type SlotStatus,
  type SlotStatuses,
} from "../../protocol/device/status.ts";
import { DeviceStateBatchSchema } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import type { Clock } from "../../ports/clock.ts";
import { grown } from "../columns.ts";
import { NO_VALUE, SharedValues } from "../shared-values.ts";
import type { SessionObserver } from "../sessions/session-lifecycle.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import { BatchPacer } from "../uplink/batch-pacer.ts";
import type { CenterMessage, UplinkSource, WakeUplink } from "../uplink/uplink-source.ts";

const SLOT_COUNT: number = SLOTS.length;
/** Elements of one batch, and how long the first may wait: a wave's evidence comes in clusters. */
const BATCH_COUNT_MAX = 1_000;
const BATCH_DELAY_MS = 20;

/** Bits of a cell. */
const KNOWN = 1;
const HEALTHY = 2;
const HAS_DIGEST = 4;
const PENDING = 8;

export interface StatusTrackerOptions {
  readonly table: SessionTable;
  readonly clock: Clock;
  readonly wake: WakeUplink;
}

export class StatusTracker implements SessionObserver, UplinkSource {
  readonly #table: SessionTable;
  readonly #pacer: BatchPacer;
  #bits: Uint8Array = new Uint8Array(0);
  #generations: Int32Array = new Int32Array(0);
  /** By cell, a number of `#sharedDigests`: the last one that the device named there. */
  #digests: Uint32Array = new Uint32Array(0);
  readonly #sharedDigests = new SharedValues();
  #pending: number[] = [];
  #isLinked = false;

  constructor(options: StatusTrackerOptions) {
    this.#table = options.table;
    this.#pacer = new BatchPacer({
      clock: options.clock,
      maxDelayMs: BATCH_DELAY_MS,
      maxCount: BATCH_COUNT_MAX,
      onDue: options.wake,
    });
  }

  /** Slots of devices whose evidence waits to go up. */
  get pendingCount(): number {
    return this.#pending.length;
  }

  /** True while evidence waits to go up. */
  get hasPending(): boolean {
    return this.#pending.length > 0;
  }

  /** A hello names every slot that has something: the others are empty from now on. */
  replace(slot: number, statuses: SlotStatuses): void {
    for (let index = 0; index < SLOT_COUNT; index += 1) {
      if (statuses[SLOTS[index] as Slot] !== undefined) continue;
      const cell = slot * SLOT_COUNT + index;
      this.#bits[cell] = (this.#bits[cell] as number) & PENDING;
    }
    this.update(slot, statuses);
  }

  /** Takes the evidence of one heartbeat of the device in `slot`. */
  update(slot: number, statuses: SlotStatuses): void {
    for (let index = 0; index < SLOT_COUNT; index += 1) {
      const status = statuses[SLOTS[index] as Slot];
      if (status === undefined) continue;
      const cell = slot * SLOT_COUNT + index;
      if (this.#write(cell, status)) this.#markPending(cell);
    }
  }

  sessionOpened(slot: number): void {
    this.#reserve(slot);
    this.#clear(slot);
  }

  sessionIdentified(slot: number): void {
    for (let index = 0; index < SLOT_COUNT; index += 1) {
      this.#markPending(slot * SLOT_COUNT + index);
    }
  }

  sessionReady(): void {}

  sessionClosed(slot: number): void {
    this.#clear(slot);
  }

  /** The snapshot follows from the grants: the center takes evidence of sessions it granted. */
  linkOpened(): void {
    this.#isLinked = true;
  }

  linkLost(): void {
    this.#isLinked = false;
    this.#pacer.stop();
    for (const cell of this.#pending) this.#bits[cell] = (this.#bits[cell] as number) & ~PENDING;
    this.#pending = [];
  }

  hurry(): void {
    if (this.#pending.length > 0) this.#pacer.hurry();
  }

  next(): CenterMessage | null {
    if (!this.#pacer.isDue) return null;
    const batch = create(DeviceStateBatchSchema);
    const cells = this.#pending.splice(0, BATCH_COUNT_MAX);
    this.#pacer.taken(this.#pending.length);
    for (const cell of cells) {
      const bits = (this.#bits[cell] as number) & ~PENDING;
      this.#bits[cell] = bits;
      const ordinal = this.#table.ordinal[Math.floor(cell / SLOT_COUNT)] as number;
      // Closed since, or not identified yet: then it is marked again when it is.
      if ((bits & KNOWN) === 0 || ordinal === 0) continue;
      batch.ordinals.push(ordinal);
      batch.slots.push(SLOTS[cell % SLOT_COUNT] as string);
      batch.digests.push((bits & HAS_DIGEST) === 0 ? "" : this.#digestOf(cell));
      batch.generations.push(this.#generations[cell] as number);
      batch.healthy.push((bits & HEALTHY) !== 0);
    }
    return batch.ordinals.length === 0 ? null : { case: "deviceState", value: batch };
  }

  /** Stores the status; true when it differs from what was known. */
  #write(cell: number, status: SlotStatus): boolean {
    const hasDigest = status.digest !== "";
    const bits = KNOWN | (status.health === "healthy" ? HEALTHY : 0) | (hasDigest ? HAS_DIGEST : 0);
    const before = (this.#bits[cell] as number) & ~PENDING;
    let isSame = bits === before && this.#generations[cell] === status.generation;
    if (hasDigest) isSame = this.#keepDigest(cell, status.digest) && isSame;
    this.#bits[cell] = bits | ((this.#bits[cell] as number) & PENDING);
    this.#generations[cell] = status.generation;
    return !isSame;
  }

  #markPending(cell: number): void {
    const bits = this.#bits[cell] ?? 0;
    const isIdentified = this.#table.ordinal[Math.floor(cell / SLOT_COUNT)] !== 0;
    if (!this.#isLinked || !isIdentified || (bits & (KNOWN | PENDING)) !== KNOWN) return;
    this.#bits[cell] = bits | PENDING;
    this.#pending.push(cell);
    this.#pacer.added(this.#pending.length);
  }

  #clear(slot: number): void {
    for (let cell = slot * SLOT_COUNT; cell < (slot + 1) * SLOT_COUNT; cell += 1) {
      // A pending cell stays in the list and goes up as nothing.
      this.#bits[cell] = (this.#bits[cell] as number) & PENDING;
      const digest = this.#digests[cell] as number;
      if (digest !== NO_VALUE) this.#sharedDigests.release(digest);
      this.#digests[cell] = NO_VALUE;
    }
  }

  #digestOf(cell: number): string {
    return this.#sharedDigests.value(this.#digests[cell] as number);
  }

  /** True when it is the one that was kept. */
  #keepDigest(cell: number, hex: string): boolean {
    const before = this.#digests[cell] as number;
    if (before !== NO_VALUE && this.#sharedDigests.value(before) === hex) return true;
    this.#digests[cell] = this.#sharedDigests.take(hex);
    if (before !== NO_VALUE) this.#sharedDigests.release(before);
    return false;
  }

  #reserve(slot: number): void {
    if ((slot + 1) * SLOT_COUNT <= this.#bits.length) return;
    const cells = Math.max(this.#table.state.length, slot + 1) * SLOT_COUNT;
    this.#bits = grown(this.#bits, new Uint8Array(cells));
    this.#generations = grown(this.#generations, new Int32Array(cells));
    this.#digests = grown(this.#digests, new Uint32Array(cells));
  }
}
