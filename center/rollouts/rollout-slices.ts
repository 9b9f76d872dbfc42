// SPDX-License-Identifier: Apache-2.0
/** Slices and sites of an open rollout: what its gate sees, brought up to date when asked. */
import type { AttemptPage } from "../../domain/attempt-page.ts";
import type { JoinedRange } from "../../domain/membership.ts";
import type { HeldSlice, WaveRange } from "../../domain/rollout.ts";
import { SliceTally, type GateSight } from "../../domain/slice-tally.ts";
import type { SlicedPlan } from "../../domain/slices.ts";

export class RolloutSlices {
  private readonly tally: SliceTally;
  private readonly pages: readonly AttemptPage[];
  private readonly waves: readonly WaveRange[];
  /** Pages with changes that are not in the tally yet. */
  private readonly untallied: Set<AttemptPage>;
  private known: GateSight | null = null;
  private knownHeld: readonly HeldSlice[] = [];

  constructor(plan: SlicedPlan, pages: readonly AttemptPage[], waves: readonly WaveRange[]) {
    this.tally = new SliceTally(plan);
    this.pages = pages;
    this.waves = waves;
    this.untallied = new Set(pages);
  }

  /** The page has changed. */
  touch(page: AttemptPage): void {
    this.untallied.add(page);
    this.known = null;
  }

  sight(held: readonly HeldSlice[], joined: readonly JoinedRange[]): GateSight {
    if (this.known !== null && this.knownHeld === held) return this.known;
    for (const page of this.untallied) this.tally.look(page);
    this.untallied.clear();
    const indexes = held.map(({ slice }) => slice);
    this.known = this.tally.sight(() => this.pages, this.waves, indexes, joined);
    this.knownHeld = held;
    return this.known;
  }

  /** Why nothing is offered to it; null = its slice is not held. */
  heldBecause(position: number, held: readonly HeldSlice[]): string | null {
    if (held.length === 0) return null; // asked of every device that is to be offered something
    return held.find(({ slice }) => this.tally.isIn(position, slice))?.why ?? null;
  }
}
