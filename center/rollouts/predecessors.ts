// SPDX-License-Identifier: Apache-2.0
/**
 * Rollouts that others go after. Of an open one its pages are asked; of any other, one bit by
 * device says who is kept waiting, read once and again when it changes: planning and starting
 * happen outside of whoever waits. A name that the Store does not have (a rehearsal's) keeps
 * nobody.
 */
import { ATTEMPT } from "../../domain/attempt.ts";
import { CELLS_PER_PAGE, decodeAttemptPage } from "../../domain/attempt-page.ts";
import { isEnded } from "../../domain/rollout.ts";
import { keepingOf, keepsWaiting } from "../../domain/rollout-order.ts";
import type { Store } from "../../ports/store.ts";
import type { OpenRollout } from "./open-rollout.ts";
import { loadPlan, pageIds } from "./plan-loader.ts";
import { readRollout, rolloutKey, type RolloutRecord } from "./rollout-record.ts";

export interface Predecessor {
  readonly name: string;
  /** Does it keep this device waiting? */
  keeps(ordinal: number): boolean;
}

interface Closed extends Predecessor {
  /** Of its document; null = it never changes any more, unless it is opened. */
  readonly revision: number | null;
}

export class Predecessors {
  private readonly store: Store;
  private readonly closed = new Map<string, Closed>();

  constructor(store: Store) {
    this.store = store;
  }

  /** Reads what `open` ones go after and is not open. Costs nothing where nobody waits. */
  async refresh(open: readonly OpenRollout[], signal: AbortSignal): Promise<void> {
    const openKeys = new Set(open.map(({ key }) => key));
    const wanted = new Map<string, string>();
    for (const { record } of open) {
      for (const name of record.spec.after) wanted.set(rolloutKey(record.tenant, name), name);
    }
    for (const key of this.closed.keys()) {
      if (openKeys.has(key) || !wanted.has(key)) this.closed.delete(key);
    }
    for (const [key, name] of wanted) {
      const known = this.closed.get(key);
      if (openKeys.has(key) || known?.revision === null) continue;
      const document = await this.store.getDocument("rollout", key, { signal });
      if (document === null) this.closed.set(key, { name, revision: null, keeps: () => false });
      else if (known?.revision !== document.revision) {
        const record = readRollout(document);
        const read = await readClosed(this.store, record, signal);
        const isFinal = isEnded(record.progress.state);
        this.closed.set(key, { ...read, revision: isFinal ? null : document.revision });
      }
    }
  }

  /** In the order of the spec; those that keep nobody may be left out. */
  of(rollout: OpenRollout, open: Iterable<OpenRollout>): Predecessor[] {
    const { tenant, spec } = rollout.record;
    if (spec.after.length === 0) return [];
    const opened = Array.from(open);
    return spec.after.flatMap((name) => {
      const key = rolloutKey(tenant, name);
      const found = opened.find((other) => other.key === key);
      const first = found === undefined ? this.closed.get(key) : predecessorOf(found);
      return first === undefined ? [] : [first];
    });
  }
}

/** Of one that the loop has in memory. */
export function predecessorOf(first: OpenRollout): Predecessor {
  const keeping = keepingOf(first.record.progress);
  return {
    name: first.record.name,
    keeps: (ordinal) => {
      const position = first.positionOf(ordinal);
      return position >= 0 && keepsWaiting(keeping, first.stateAt(position));
    },
  };
}

/** Of one that is not open. A draft has no plan yet: everybody waits. */
export async function readClosed(
  store: Store,
  record: RolloutRecord,
  signal: AbortSignal,
): Promise<Predecessor> {
  const { name, progress } = record;
  if (progress.state === "draft") return { name, keeps: () => true };
  const keeping = keepingOf(progress);
  if (keeping === "nobody") return { name, keeps: () => false };
  // Retention leaves alone what somebody waits for; where both raced, nobody knows any more.
  if (record.pruned !== null) return { name, keeps: () => true };
  const { plan, columns } = await loadPlan(store, record, signal);
  const { ordinals } = columns;
  const bits = new Uint8Array((ordinals.reduce((most, one) => Math.max(most, one), 0) >> 3) + 1);
  const set = (ordinal: number, isKept: boolean): void => {
    const bit = 1 << (ordinal & 7);
    const byte = bits[ordinal >> 3] ?? 0;
    bits[ordinal >> 3] = isKept ? byte | bit : byte & ~bit;
  };
  // Pages that were never written hold attempts that are pending.
  for (const ordinal of ordinals) set(ordinal, keepsWaiting(keeping, ATTEMPT.pending));
  for (const stored of await store.loadPages(pageIds("attempt", record, plan), { signal })) {
    const page = decodeAttemptPage(stored.number, stored.bytes);
    for (let index = 0; index < page.cellCount; index++) {
      const ordinal = ordinals[stored.number * CELLS_PER_PAGE + index] ?? 0;
      set(ordinal, keepsWaiting(keeping, page.state[index] ?? 0));
    }
  }
  return { name, keeps: (ordinal) => ((bits[ordinal >> 3] ?? 0) & (1 << (ordinal & 7))) !== 0 };
}

/** The first that keeps this device waiting. */
export function keeperOf(first: readonly Predecessor[], ordinal: number): string | null {
  if (first.length === 0) return null; // asked of every device that is to be offered something
  return first.find((predecessor) => predecessor.keeps(ordinal))?.name ?? null;
}
