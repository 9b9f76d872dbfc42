// SPDX-License-Identifier: Apache-2.0
/**
 * When a disk is full, by what was measured of it: samples of what takes room, each with its time.
 * The forecast is a straight line through the first and the last sample of a week, so that a night
 * without rollouts or an hour with one does not decide it.
 *
 * Limits: samples of the last two days are all kept, of before one a day, for two months.
 */

const DAY_MS = 86_400_000;
const KEEP_ALL_MS: number = 2 * DAY_MS;
const KEEP_DAILY_MS: number = 60 * DAY_MS;
/** Over which growth is measured. */
const WINDOW_MS: number = 7 * DAY_MS;
/** Two samples that are closer than this say nothing about a day. */
const MIN_WINDOW_MS = 3_600_000;
/** A disk that lasts longer than this is not going to be full. */
const HORIZON_MS: number = 3_650 * DAY_MS;

export interface DiskSample {
  /** Wall time. */
  readonly atMs: number;
  /** By what takes them: `page attempt`, `artifacts`. */
  readonly bytes: { readonly [part: string]: number };
}

export interface PartGrowth {
  readonly part: string;
  readonly bytes: number;
  /** null = not known yet. */
  readonly bytesPerDay: number | null;
}

export interface DiskForecast {
  readonly usedBytes: number;
  /** Over which growth was measured; 0 = not known yet. */
  readonly windowMs: number;
  readonly bytesPerDay: number | null;
  /** At this rate; null = never, or not known yet. */
  readonly fullAtMs: number | null;
  /** The largest comes first. */
  readonly parts: readonly PartGrowth[];
}

/**
 * The samples to store, oldest first. One that is not older than the new one is left out: the
 * clock was set back.
 */
export function keepSamples(samples: readonly DiskSample[], next: DiskSample): DiskSample[] {
  const kept: DiskSample[] = [];
  for (const sample of samples) {
    const ageMs = next.atMs - sample.atMs;
    if (ageMs <= 0 || ageMs > KEEP_DAILY_MS) continue;
    const isSameDay = dayOf(kept.at(-1)) === dayOf(sample);
    if (ageMs <= KEEP_ALL_MS || !isSameDay) kept.push(sample);
  }
  kept.push(next);
  return kept;
}

function dayOf(sample: DiskSample | undefined): number {
  return sample === undefined ? -1 : Math.floor(sample.atMs / DAY_MS);
}

/** `availableBytes`: what may still be written. null before the first sample. */
export function forecastDisk(
  samples: readonly DiskSample[],
  now: { readonly atMs: number; readonly availableBytes: number },
): DiskForecast | null {
  const last = samples.at(-1);
  if (last === undefined) return null;
  const first = samples.find(({ atMs }) => last.atMs - atMs <= WINDOW_MS) ?? last;
  const windowMs = last.atMs - first.atMs < MIN_WINDOW_MS ? 0 : last.atMs - first.atMs;
  const perDay = (lastBytes: number, firstBytes: number): number | null =>
    windowMs === 0 ? null : Math.round(((lastBytes - firstBytes) * DAY_MS) / windowMs);
  const bytesPerDay = perDay(total(last), total(first));
  const names = new Set([...Object.keys(last.bytes), ...Object.keys(first.bytes)]);
  const parts = Array.from(names, (part) => {
    const bytes = last.bytes[part] ?? 0;
    return { part, bytes, bytesPerDay: perDay(bytes, first.bytes[part] ?? 0) };
  });
  parts.sort((a, b) => b.bytes - a.bytes || (a.part < b.part ? -1 : 1));
  const fullAtMs = fullAt(now, bytesPerDay ?? 0);
  return { usedBytes: total(last), windowMs, bytesPerDay, fullAtMs, parts };
}

function fullAt(
  now: { readonly atMs: number; readonly availableBytes: number },
  bytesPerDay: number,
): number | null {
  if (now.availableBytes <= 0) return now.atMs;
  if (bytesPerDay <= 0) return null;
  const leftMs = (now.availableBytes / bytesPerDay) * DAY_MS;
  return leftMs > HORIZON_MS ? null : Math.round(now.atMs + leftMs);
}

function total({ bytes }: DiskSample): number {
  return Object.values(bytes).reduce((sum, part) => sum + part, 0);
}
