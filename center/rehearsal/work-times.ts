// SPDX-License-Identifier: Apache-2.0
/**
 * How long installs took on this fleet: from accepted to the evidence that the release runs, as the
 * attempt pages of ended rollouts remember it. Rollouts of the same release name say most; where
 * there are none, those of the same slot do.
 */
import { ATTEMPT } from "../../domain/attempt.ts";
import { CELLS_PER_PAGE, decodeAttemptPage, PAGE_TICK_MS } from "../../domain/attempt-page.ts";
import { countOf } from "../../domain/units.ts";
import type { PageId, Store } from "../../ports/store.ts";
import { allRollouts } from "../rollouts/loop-state.ts";
import { readPlan, readRollout, type RolloutRecord } from "../rollouts/rollout-record.ts";

/** The newest rollouts of a kind that are looked at: a fleet changes. */
const MAX_ROLLOUTS = 5;
/** Pages read of one rollout: 16 × 4,096 installs tell the distribution. */
const MAX_PAGES = 16;
/** Fewer installs than this tell nothing about a fleet. */
const MIN_SAMPLES = 3;
const QUANTILES = 101;
/** Where nothing has been installed yet: around what the planner takes for an attempt. */
const GUESS_MS: readonly [number, number] = [30_000, 90_000];

export interface WorkTimes {
  readonly workMs: Float64Array;
  readonly workSource: string;
}

export async function learnWorkTimes(
  store: Store,
  rollout: { tenant: string; release: string; slot: string },
  signal: AbortSignal,
): Promise<WorkTimes> {
  const ended = await endedRollouts(store, rollout.tenant, signal);
  const name = nameOf(rollout.release);
  const sameName = ended.filter((record) => nameOf(record.spec.release) === name);
  for (const { records, what } of [
    { records: sameName, what: `of ${name}` },
    { records: ended, what: `in slot ${rollout.slot}` },
  ]) {
    const samples = await collect(store, records, rollout.slot, signal);
    if (samples.length < MIN_SAMPLES) continue;
    const workSource = `${countOf(samples.length, "install")} ${what} that this fleet has seen`;
    return { workMs: quantilesOf(samples), workSource };
  }
  const workSource = "a guess, for nothing has been installed in this slot yet";
  return { workMs: Float64Array.from(GUESS_MS), workSource };
}

function nameOf(release: string): string {
  return release.slice(0, release.lastIndexOf("@"));
}

/** Newest first; rollbacks are not installs of something new. */
async function endedRollouts(
  store: Store,
  tenant: string,
  signal: AbortSignal,
): Promise<RolloutRecord[]> {
  const records: RolloutRecord[] = [];
  for await (const document of allRollouts(store, signal)) {
    const record = readRollout(document);
    const hasAttempts = record.endedAtMs > 0 && record.pruned === null;
    if (record.tenant === tenant && record.parent === "" && hasAttempts) records.push(record);
  }
  return records.sort((a, b) => b.endedAtMs - a.endedAtMs);
}

async function collect(
  store: Store,
  records: readonly RolloutRecord[],
  slot: string,
  signal: AbortSignal,
): Promise<number[]> {
  const samples: number[] = [];
  let looked = 0;
  for (const record of records) {
    if (looked === MAX_ROLLOUTS) break;
    const document = await store.getDocument("plan", `${record.tenant}/${record.name}`, { signal });
    if (document === null) continue;
    const plan = readPlan(document);
    if (plan.slot !== slot) continue;
    looked++;
    const pageCount = Math.min(MAX_PAGES, Math.ceil(plan.deviceCount / CELLS_PER_PAGE));
    const ids: PageId[] = Array.from({ length: pageCount }, (_, number) => {
      return { kind: "attempt", owner: String(record.number), number };
    });
    for (const { number, bytes } of await store.loadPages(ids, { signal })) {
      addSamples(samples, number, bytes);
    }
  }
  return samples;
}

function addSamples(samples: number[], number: number, bytes: Uint8Array): void {
  const page = decodeAttemptPage(number, bytes);
  for (let cell = 0; cell < page.cellCount; cell++) {
    if (page.state[cell] !== ATTEMPT.succeeded) continue;
    const acceptedAt = page.acceptedAt[cell] ?? 0;
    const soakingSince = page.soakingSince[cell] ?? 0;
    if (acceptedAt === 0 || soakingSince < acceptedAt) continue;
    samples.push((soakingSince - acceptedAt) * PAGE_TICK_MS);
  }
}

function quantilesOf(samples: readonly number[]): Float64Array {
  const sorted = Float64Array.from(samples).sort();
  return Float64Array.from({ length: QUANTILES }, (_, index) => {
    return sorted[Math.round((index / (QUANTILES - 1)) * (sorted.length - 1))] ?? 0;
  });
}
