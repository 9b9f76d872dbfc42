// SPDX-License-Identifier: Apache-2.0
/** For whom the pending devices of a rollout wait: why a wave stands still though nothing fails. */
import { isOpen } from "../../domain/rollout.ts";
import type { OpenRollout } from "./open-rollout.ts";
import { keeperOf, type Predecessor } from "./predecessors.ts";
import { rivalryAt, rivalsOf } from "./rivals.ts";

/** Pending devices that are looked at: some 20 ms, for each look at a rollout counts anew. */
const MAX_LOOKED_AT = 100_000;

/** How many devices wait for a rollout. */
export interface Waiting {
  readonly rollout: string;
  readonly deviceCount: number;
}

export interface Waits {
  /** For those that the spec names as going first. */
  readonly after: readonly Waiting[];
  /** For those that want the same devices, and go first there or are at work there. */
  readonly rivals: readonly Waiting[];
}

export const NO_WAITS: Waits = { after: [], rivals: [] };

/** Of the open waves, a device once: as the dispatcher asks, so whom it names is who keeps it. */
export function countWaits(
  rollout: OpenRollout,
  first: readonly Predecessor[],
  open: Iterable<OpenRollout>,
): Waits {
  const rivals = rivalsOf(rollout, open);
  if (first.length + rivals.length === 0) return NO_WAITS;
  if (!isOpen(rollout.record.progress.state)) return NO_WAITS;
  const after = new Map<string, number>();
  const beside = new Map<string, number>();
  let lookedAt = 0;
  const look = (position: number, isOffered: boolean): void => {
    if (isOffered) return;
    lookedAt++;
    const keeper = keeperOf(first, rollout.ordinalAt(position));
    if (keeper !== null) {
      countOne(after, keeper);
      return;
    }
    const rivalry = rivalryAt(rollout, position, rivals);
    if (rivalry?.rivalry === "wait") countOne(beside, rivalry.rival.record.name);
  };
  rollout.visitCandidates(rollout.releasedEnd, () => lookedAt < MAX_LOOKED_AT, look);
  return { after: listed(after), rivals: listed(beside) };
}

function countOne(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

function listed(counts: ReadonlyMap<string, number>): Waiting[] {
  return Array.from(counts, ([rollout, deviceCount]) => ({ rollout, deviceCount }));
}
