// SPDX-License-Identifier: Apache-2.0
/**
 * What every device runs, and its generation counter, in memory as the pages the Store holds:
 * 32 bytes a device. Changes mark a page dirty. Devices of a wave lie anywhere among the ordinals,
 * so every page changes in every cycle of a rollout; they are stored a few seconds later, a bounded
 * number a commit. A crash loses what was not stored, and nothing is lost by it: gateways say again
 * what their devices run, and generations that were drawn are counted in the attempt pages of
 * rollouts that have not ended (`raiseGeneration`). Whoever ends a rollout stores everything.
 */
import { assert } from "../../domain/assert.ts";
import {
  createRunningPage,
  decodeRunningPage,
  DEVICES_PER_PAGE,
  RUNNING_FLAGS,
  runningPageBytes,
  type RunningPage,
} from "../../domain/running-page.ts";
import type { PageId, PageWrite, Store } from "../../ports/store.ts";

/** One slot of one device. `release` is a dictionary index. */
export interface RunningSlot {
  readonly known: boolean;
  readonly release: number;
  readonly generation: number;
  readonly healthy: boolean;
}

const UNKNOWN: RunningSlot = { known: false, release: 0, generation: 0, healthy: false };
const OWNER = "fleet";
const LOAD_BATCH = 64;
/** How long a change may wait to be stored. */
const STORED_AFTER_MS = 2_000;
/** Pages of one commit, 131 KB each: what a disk takes without being felt. */
const MAX_COMMIT_PAGES = 32;

interface Held {
  readonly page: RunningPage;
  version: number;
  dirty: boolean;
  /** Monotonic; null when it is not dirty, or was not when it was last looked at. */
  dirtySinceMs: number | null;
}

export class RunningTable {
  private readonly pages: (Held | undefined)[] = [];

  /**
   * Reads every page; stops at the first batch without any (ordinals are dense). `previous`: the
   * table of before a commit that failed; what it knows and had not stored is kept.
   */
  static async load(
    store: Store,
    signal: AbortSignal,
    previous: RunningTable | null = null,
  ): Promise<RunningTable> {
    const table = new RunningTable();
    for (let first = 0; ; first += LOAD_BATCH) {
      const ids: PageId[] = [];
      for (let number = first; number < first + LOAD_BATCH; number++) {
        ids.push({ kind: "running", owner: OWNER, number });
      }
      const pages = await store.loadPages(ids, { signal });
      for (const { number, version, bytes } of pages) {
        const page = decodeRunningPage(number, bytes);
        table.pages[number] = { page, version, dirty: false, dirtySinceMs: null };
      }
      if (pages.length === 0) break;
    }
    for (const held of previous?.pages ?? []) {
      if (held === undefined || !held.dirty) continue;
      const version = table.pages[held.page.number]?.version ?? 0;
      table.pages[held.page.number] = { ...held, version };
    }
    return table;
  }

  get(ordinal: number, slot: number): RunningSlot {
    const held = this.pages[Math.floor(ordinal / DEVICES_PER_PAGE)];
    const columns = held?.page.slots[slot];
    if (columns === undefined) return UNKNOWN;
    const cell = ordinal % DEVICES_PER_PAGE;
    const flags = columns.flags[cell] ?? 0;
    return {
      known: (flags & RUNNING_FLAGS.known) !== 0,
      healthy: (flags & RUNNING_FLAGS.healthy) !== 0,
      release: columns.release[cell] ?? 0,
      generation: columns.generation[cell] ?? 0,
    };
  }

  /**
   * The release that the slot runs (dictionary index; 0 = nothing). −1 = not known: the device has
   * not said it, or what it has is no release: not measured yet, or changed by somebody.
   */
  releaseOf(ordinal: number, slot: number): number {
    const columns = this.pages[Math.floor(ordinal / DEVICES_PER_PAGE)]?.page.slots[slot];
    if (columns === undefined) return -1;
    const cell = ordinal % DEVICES_PER_PAGE;
    const release = columns.release[cell] ?? 0;
    const flags = columns.flags[cell] ?? 0;
    if ((flags & RUNNING_FLAGS.known) === 0) return -1;
    return release === 0 && (flags & RUNNING_FLAGS.healthy) === 0 ? -1 : release;
  }

  isHealthy(ordinal: number, slot: number): boolean {
    const columns = this.pages[Math.floor(ordinal / DEVICES_PER_PAGE)]?.page.slots[slot];
    const flags = columns?.flags[ordinal % DEVICES_PER_PAGE] ?? 0;
    return (flags & RUNNING_FLAGS.healthy) !== 0;
  }

  /** Records what a device says; true when it was news. */
  set(ordinal: number, slot: number, state: Omit<RunningSlot, "known">): boolean {
    const held = this.hold(ordinal);
    const columns = held.page.slots[slot];
    assert(columns !== undefined, "a slot index is one of SLOT_NAMES");
    const cell = ordinal % DEVICES_PER_PAGE;
    if (state.generation > (held.page.lastGeneration[cell] ?? 0)) {
      // The Store was restored from a backup: what the device has seen must not be drawn again.
      held.page.lastGeneration[cell] = state.generation;
      held.dirty = true;
    }
    const flags = RUNNING_FLAGS.known | (state.healthy ? RUNNING_FLAGS.healthy : 0);
    if (
      columns.flags[cell] === flags &&
      columns.release[cell] === state.release &&
      columns.generation[cell] === state.generation
    ) {
      return false;
    }
    columns.flags[cell] = flags;
    columns.release[cell] = state.release;
    columns.generation[cell] = state.generation;
    held.dirty = true;
    return true;
  }

  /** The device's next generation: a positive int32 that only ever grows. */
  drawGeneration(ordinal: number): number {
    const held = this.hold(ordinal);
    const cell = ordinal % DEVICES_PER_PAGE;
    const generation = (held.page.lastGeneration[cell] ?? 0) + 1;
    assert(generation <= 0x7fff_ffff, "a device has drawn fewer than 2^31 generations");
    held.page.lastGeneration[cell] = generation;
    held.dirty = true;
    return generation;
  }

  /**
   * After a restart: so many generations may have been drawn for the device and not been stored.
   * What is left out is never missed.
   */
  raiseGeneration(ordinal: number, drawnCount: number): void {
    const held = this.hold(ordinal);
    const cell = ordinal % DEVICES_PER_PAGE;
    held.page.lastGeneration[cell] = (held.page.lastGeneration[cell] ?? 0) + drawnCount;
    held.dirty = true;
  }

  /** Calls back for each known (ordinal, slot): a scan of flat memory. */
  forEachKnown(slot: number, visit: (ordinal: number, release: number) => void): void {
    for (const held of this.pages) {
      const columns = held?.page.slots[slot];
      if (held === undefined || columns === undefined) continue;
      for (let cell = 0; cell < DEVICES_PER_PAGE; cell++) {
        if (((columns.flags[cell] ?? 0) & RUNNING_FLAGS.known) === 0) continue;
        visit(held.page.number * DEVICES_PER_PAGE + cell, columns.release[cell] ?? 0);
      }
    }
  }

  /**
   * What is to be committed now; `all`: everything that was changed, however lately. These pages
   * must stay as they are until it is done.
   */
  pendingWrites(options: { nowMs: number; all: boolean }): PageWrite[] {
    const { nowMs, all } = options;
    const writes: PageWrite[] = [];
    for (const held of this.pages) {
      if (held === undefined || !held.dirty) continue;
      held.dirtySinceMs ??= nowMs;
      const isDue = nowMs - held.dirtySinceMs >= STORED_AFTER_MS;
      if (!all && (!isDue || writes.length >= MAX_COMMIT_PAGES)) continue;
      writes.push({
        kind: "running",
        owner: OWNER,
        number: held.page.number,
        expectedVersion: held.version,
        bytes: runningPageBytes(held.page),
      });
    }
    return writes;
  }

  /** The commit that held `writes` succeeded (nothing was changed in between). */
  committed(writes: readonly PageWrite[]): void {
    for (const write of writes) {
      const held = this.pages[write.number];
      assert(held !== undefined, "a committed page is held");
      held.version++;
      held.dirty = false;
      held.dirtySinceMs = null;
    }
  }

  private hold(ordinal: number): Held {
    const number = Math.floor(ordinal / DEVICES_PER_PAGE);
    const existing = this.pages[number];
    if (existing !== undefined) return existing;
    const created: Held = {
      page: createRunningPage(number),
      version: 0,
      dirty: false,
      dirtySinceMs: null,
    };
    this.pages[number] = created;
    return created;
  }
}
