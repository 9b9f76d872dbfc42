// SPDX-License-Identifier: Apache-2.0
/**
 * Measures once an hour what takes room in the center's data folder, and keeps the samples for the
 * forecast of `muster doctor`. A Store on a server's disk is no part of it: how full that disk is
 * only its own monitoring knows. A store of a million devices is read a stretch at a time, some
 * thousand rows each, between which everybody else is served.
 *
 * One document holds all samples: at most 110 of them (`disk-forecast.ts`), each of some twenty
 * numbers. It takes no input and is idempotent; a sample that could not be stored is missed.
 */
import { z } from "zod";
import { keepSamples, type DiskSample } from "../../domain/disk-forecast.ts";
import { toMusterError } from "../../domain/errors.ts";
import type { ArtifactStore } from "../../ports/artifact-store.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { EventLog } from "../../ports/event-log.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Json, Store, StoreSpace } from "../../ports/store.ts";
import { findPrunable, type RetentionPolicy } from "./attempt-pruner.ts";

const PERIOD_MS = 3_600_000;
const KEY = "installation/disk";
/** What goes when the attempts of a rollout are deleted; the owner is the rollout's number. */
const PRUNED_PARTS: ReadonlySet<string> = new Set([
  "page attempt",
  "page plan",
  "document attempt-detail",
  "document attempt-output",
]);

export interface DiskSamplerOptions {
  readonly store: Store;
  readonly log: EventLog;
  readonly artifacts: ArtifactStore;
  readonly policy: RetentionPolicy;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

export interface DiskRecord {
  /** Oldest first. */
  readonly samples: readonly DiskSample[];
  /** What deleting old attempts will free, of what is stored now, and until when. */
  readonly retention: { readonly bytes: number; readonly byMs: number };
}

const stored: z.ZodType<DiskRecord> = z.object({
  samples: z.array(z.object({ atMs: z.number(), bytes: z.record(z.string(), z.number()) })),
  retention: z.object({ bytes: z.number(), byMs: z.number() }),
});

/** Runs until the signal aborts; resolves then. */
export async function runDiskSampler(
  options: DiskSamplerOptions & { readonly logger: Logger },
): Promise<void> {
  const { clock, logger, signal } = options;
  while (!signal.aborted) {
    try {
      await sampleDisk(options);
    } catch (cause) {
      if (signal.aborted) return;
      const error = toMusterError(cause, "measuring the data folder");
      logger.error("what takes room in the data folder could not be noted", { error });
    }
    await delay(clock, PERIOD_MS, signal).catch(() => undefined); // ended: the loop ends
  }
}

/** Measures once and stores it. */
export async function sampleDisk(options: DiskSamplerOptions): Promise<void> {
  const { store, clock, signal } = options;
  const { bytes, retention } = await measure(options);
  const document = await store.getDocument("setting", KEY, { signal });
  const samples = document === null ? [] : stored.parse(document.value).samples;
  const value = { samples: keepSamples(samples, { atMs: clock.wallMs(), bytes }), retention };
  const write = { kind: "setting", key: KEY, expectedRevision: document?.revision ?? 0 } as const;
  // A conflict: another center has measured it.
  const documents = [{ ...write, value: value as unknown as Json }];
  await store.commit({ documents }, { signal });
}

/** Without samples before the first. */
export async function readDiskRecord(store: Store, signal: AbortSignal): Promise<DiskRecord> {
  const document = await store.getDocument("setting", KEY, { signal });
  if (document === null) return { samples: [], retention: { bytes: 0, byMs: 0 } };
  return stored.parse(document.value);
}

interface Measured {
  readonly bytes: { readonly [part: string]: number };
  readonly retention: DiskRecord["retention"];
}

const NOTHING_STORED: Measured = { bytes: {}, retention: { bytes: 0, byMs: 0 } };

async function measure(options: DiskSamplerOptions): Promise<Measured> {
  const { store, log, artifacts, signal } = options;
  const space = await store.space({ signal });
  const stored = space.isRemote ? NOTHING_STORED : await measureStore(options, space);
  const bytes: { [part: string]: number } = { ...stored.bytes };
  const events = await log.space({ signal });
  if (events !== null) bytes["event log"] = events.fileBytes - events.reusableBytes;
  bytes["artifacts"] = (await artifacts.usage({ signal })).totalBytes;
  return { bytes, retention: stored.retention };
}

async function measureStore(options: DiskSamplerOptions, space: StoreSpace): Promise<Measured> {
  const { store, policy, signal } = options;
  const prunable = await findPrunable(options);
  const owners = new Set(prunable.map(({ record }) => String(record.number)));
  const bytes: { [part: string]: number } = {};
  let contentBytes = 0;
  let freedBytes = 0;
  for (let from: string | null = ""; from !== null;) {
    const stretch = await store.measure(from, { signal });
    for (const { part, owner, ...row } of stretch.parts) {
      bytes[part] = (bytes[part] ?? 0) + row.contentBytes;
      contentBytes += row.contentBytes;
      if (PRUNED_PARTS.has(part) && owners.has(owner)) freedBytes += row.contentBytes;
    }
    from = stretch.next;
  }
  const gapBytes = space.fileBytes - (space.reusableBytes ?? 0) - contentBytes;
  bytes["indexes and gaps"] = Math.max(0, gapBytes);
  const [newest] = prunable;
  const byMs = newest === undefined ? 0 : newest.record.endedAtMs + policy.keepAttemptsMs;
  return { bytes, retention: { bytes: freedBytes, byMs } };
}
