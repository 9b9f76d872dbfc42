// SPDX-License-Identifier: Apache-2.0
/**
 * What the gate has seen by slice and by site: how many devices have accepted and how many have
 * failed, and at how many sites. Kept up to date page by page, as pages change: a cell is looked at
 * again only where one of the two flags is new. Both flags are set once and never cleared, so the
 * sums only grow and nothing is ever taken back.
 *
 * Memory: 1 byte a position, 17 bytes a site; as much again while a slice is held.
 */
import { assert } from "./assert.ts";
import { ATTEMPT, CELL_FLAGS, isUnderWay } from "./attempt.ts";
import { CELLS_PER_PAGE, type AttemptPage } from "./attempt-page.ts";
import { waveAt, type JoinedRange } from "./membership.ts";
import type { WaveRange } from "./rollout.ts";
import { isGoingBack } from "./path-step.ts";
import { NO_SLICE, type SlicedPlan } from "./slices.ts";

const SEEN = CELL_FLAGS.exposed | CELL_FLAGS.failed;

/** k and n in both units. */
export interface UnitCounts {
  readonly accepted: number;
  readonly failures: number;
  readonly sitesAccepted: number;
  readonly sitesFailed: number;
}

/** While slices are held: what is kept out of the gate of the rest, and the sites of the rest. */
export interface HeldCounts {
  readonly accepted: number;
  readonly failures: number;
  /** By wave: pending, and not offered. */
  readonly pending: readonly number[];
  readonly restSites: SiteCounts;
  /** By slice: without the devices that are in a held slice too. */
  readonly restSlices: readonly UnitCounts[];
}

export interface SiteCounts {
  readonly accepted: number;
  readonly failed: number;
}

/** The sums that the gate's tests stand on. */
export interface Tally {
  readonly plan: Pick<SlicedPlan, "slices" | "siteCount">;
  readonly sites: SiteCounts;
  slice(index: number): UnitCounts;
}

/** What the gate sees beside the counts by wave, at the moment of a step. */
export interface GateSight {
  readonly tally: Tally;
  /** null while no slice is held. */
  readonly held: HeldCounts | null;
  /** By slice: accepted and undecided. */
  readonly underWay: () => readonly number[];
}

/** Which slices a site has been seen in: two words of 32 bits a site. */
class SiteSlices {
  private readonly words: Uint32Array;

  constructor(siteCount: number) {
    this.words = new Uint32Array(siteCount * 2);
  }

  /** True the first time. */
  add(site: number, slice: number): boolean {
    const index = site * 2 + (slice >> 5);
    const bit = 1 << (slice & 31);
    const word = this.words[index] ?? 0;
    if ((word & bit) !== 0) return false;
    this.words[index] = word | bit;
    return true;
  }
}

export class SliceTally implements Tally {
  readonly plan: SlicedPlan;
  private readonly seen: Uint8Array;
  private readonly siteFlags: Uint8Array;
  private readonly acceptedIn: SiteSlices;
  private readonly failedIn: SiteSlices;
  private readonly accepted: Uint32Array;
  private readonly failures: Uint32Array;
  private readonly sitesAccepted: Uint32Array;
  private readonly sitesFailed: Uint32Array;
  private allSitesAccepted = 0;
  private allSitesFailed = 0;

  constructor(plan: SlicedPlan) {
    this.plan = plan;
    this.seen = new Uint8Array(plan.sites.length);
    this.siteFlags = new Uint8Array(plan.siteCount);
    const slicedSites = plan.slices.length === 0 ? 0 : plan.siteCount;
    this.acceptedIn = new SiteSlices(slicedSites);
    this.failedIn = new SiteSlices(slicedSites);
    this.accepted = new Uint32Array(plan.slices.length);
    this.failures = new Uint32Array(plan.slices.length);
    this.sitesAccepted = new Uint32Array(plan.slices.length);
    this.sitesFailed = new Uint32Array(plan.slices.length);
  }

  /** Takes in what is new in a page. */
  look(page: AttemptPage): void {
    const { seen } = this;
    if (seen.length === 0) return;
    const base = page.number * CELLS_PER_PAGE;
    for (let cell = 0; cell < page.cellCount; cell++) {
      const flags = (page.flags[cell] ?? 0) & SEEN;
      const before = seen[base + cell] ?? 0;
      if (flags === before) continue;
      seen[base + cell] = flags;
      this.take(base + cell, flags & ~before);
    }
  }

  private take(position: number, news: number): void {
    const { plan, siteFlags } = this;
    const site = plan.sites[position] ?? 0;
    const newOfSite = news & ~(siteFlags[site] ?? 0);
    siteFlags[site] = (siteFlags[site] ?? 0) | news;
    if ((newOfSite & CELL_FLAGS.exposed) !== 0) this.allSitesAccepted++;
    if ((newOfSite & CELL_FLAGS.failed) !== 0) this.allSitesFailed++;
    for (const column of plan.columns) {
      const slice = column[position] ?? NO_SLICE;
      if (slice === NO_SLICE) continue;
      if ((news & CELL_FLAGS.exposed) !== 0) {
        this.accepted[slice] = (this.accepted[slice] ?? 0) + 1;
        if (this.acceptedIn.add(site, slice)) grow(this.sitesAccepted, slice);
      }
      if ((news & CELL_FLAGS.failed) !== 0) {
        this.failures[slice] = (this.failures[slice] ?? 0) + 1;
        if (this.failedIn.add(site, slice)) grow(this.sitesFailed, slice);
      }
    }
  }

  get sites(): SiteCounts {
    return { accepted: this.allSitesAccepted, failed: this.allSitesFailed };
  }

  slice(index: number): UnitCounts {
    return {
      accepted: this.accepted[index] ?? 0,
      failures: this.failures[index] ?? 0,
      sitesAccepted: this.sitesAccepted[index] ?? 0,
      sitesFailed: this.sitesFailed[index] ?? 0,
    };
  }

  isIn(position: number, slice: number): boolean {
    for (const column of this.plan.columns) if (column[position] === slice) return true;
    return false;
  }

  /** `pages`: all of them, as they are now. */
  sight(
    pages: () => Iterable<AttemptPage>,
    waves: readonly WaveRange[],
    heldSlices: readonly number[],
    joined: readonly JoinedRange[] = [],
  ): GateSight {
    return {
      tally: this,
      held: heldSlices.length === 0 ? null : this.countHeld(pages(), waves, heldSlices, joined),
      underWay: () => this.underWay(pages()),
    };
  }

  /** One pass over everything; for a resume. */
  private underWay(pages: Iterable<AttemptPage>): number[] {
    const counts = this.plan.slices.map(() => 0);
    for (const page of pages) {
      const base = page.number * CELLS_PER_PAGE;
      for (let cell = 0; cell < page.cellCount; cell++) {
        if (!isUnderWay(page.state[cell] ?? 0)) continue;
        for (const column of this.plan.columns) {
          const slice = column[base + cell] ?? NO_SLICE;
          if (slice === NO_SLICE) continue;
          counts[slice] = (counts[slice] ?? 0) + 1;
        }
      }
    }
    return counts;
  }

  /** One pass over everything; only while a slice is held. */
  private countHeld(
    pages: Iterable<AttemptPage>,
    waves: readonly WaveRange[],
    slices: readonly number[],
    joined: readonly JoinedRange[],
  ): HeldCounts {
    const pending = waves.map(() => 0);
    const rest = new SliceTally(this.plan);
    let accepted = 0;
    let failures = 0;
    for (const page of pages) {
      const base = page.number * CELLS_PER_PAGE;
      for (let cell = 0; cell < page.cellCount; cell++) {
        const position = base + cell;
        const flags = page.flags[cell] ?? 0;
        if (!slices.some((slice) => this.isIn(position, slice))) {
          rest.take(position, flags & SEEN);
          continue;
        }
        if ((flags & CELL_FLAGS.exposed) !== 0) accepted++;
        if ((flags & CELL_FLAGS.failed) !== 0) failures++;
        // Who goes back is offered that, held or not.
        if (page.state[cell] !== ATTEMPT.pending || isGoingBack(flags)) continue;
        const wave = waveAt(waves, joined, position);
        pending[wave] = (pending[wave] ?? 0) + 1;
      }
    }
    const restSlices = this.plan.slices.map((_, slice) => rest.slice(slice));
    return { accepted, failures, pending, restSites: rest.sites, restSlices };
  }
}

function grow(counts: Uint32Array, index: number): void {
  assert(index < counts.length, "every position of a column lies in a slice of the plan");
  counts[index] = (counts[index] ?? 0) + 1;
}
