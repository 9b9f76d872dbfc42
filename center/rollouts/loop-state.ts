// SPDX-License-Identifier: Apache-2.0
/**
 * Everything the rollout loop works on, as the Store has it. Loaded at start, and again whenever a
 * commit failed: what was changed in memory and not stored is forgotten.
 */
import type { Clock } from "../../ports/clock.ts";
import type { EventLog } from "../../ports/event-log.ts";
import type { Store, StoredDocument } from "../../ports/store.ts";
import { countJoined } from "../../domain/membership.ts";
import { isOpen } from "../../domain/rollout.ts";
import { UNSLICED, type SlicedPlan } from "../../domain/slices.ts";
import { ReportConsumer } from "../ingest/report-consumer.ts";
import { DigestDictionary } from "../state/digest-dictionary.ts";
import { RunningTable } from "../state/running-table.ts";
import { OpenRollout } from "./open-rollout.ts";
import { loadPlan, pageIds } from "./plan-loader.ts";
import {
  createPreviousTarget,
  type PreviousTarget,
  type ReleaseByDigest,
} from "./previous-target.ts";
import { readRollout, type PlanRecord, type RolloutRecord } from "./rollout-record.ts";
import { decodeSlicePages, slicePageIds } from "./slice-pages.ts";

export interface LoopState {
  readonly consumer: ReportConsumer;
  readonly digests: DigestDictionary;
  readonly running: RunningTable;
  readonly previousTarget: PreviousTarget;
  /** By rollout number. */
  readonly open: Map<number, OpenRollout>;
}

const PAGE_SIZE = 1_000;

export interface LoadOptions {
  readonly store: Store;
  readonly log: EventLog;
  readonly clock: Clock;
  readonly offerLifetimeMs: number;
  /** Left out where nobody asks what a device goes back to. */
  readonly previousTarget?: PreviousTarget;
  readonly signal: AbortSignal;
}

/** `previous`: of before a commit that failed; what gateways said once is kept. */
export async function loadLoopState(
  options: Omit<LoadOptions, "previousTarget"> & { readonly releaseByDigest: ReleaseByDigest },
  previous: LoopState | null = null,
): Promise<LoopState> {
  const { store, log, signal } = options;
  const [consumer, digests, running] = await Promise.all([
    ReportConsumer.open(log, store, signal),
    DigestDictionary.load(store, signal, previous?.digests),
    RunningTable.load(store, signal, previous?.running),
  ]);
  const previousTarget = createPreviousTarget(digests, options.releaseByDigest);
  const open = new Map<number, OpenRollout>();
  for await (const document of allRollouts(store, signal)) {
    const record = readRollout(document);
    if (!isOpen(record.progress.state)) continue;
    const rollout = await loadRollout({ ...options, previousTarget }, record, document.revision);
    open.set(record.number, rollout);
    // What was drawn lately may not be stored; before a commit that failed, it was known.
    if (previous !== null) continue;
    rollout.forEachTried((ordinal, tries) => running.raiseGeneration(ordinal, tries));
  }
  return { consumer, digests, running, previousTarget, open };
}

/** Every rollout document, of all tenants, in key order. */
export async function* allRollouts(
  store: Store,
  signal: AbortSignal,
): AsyncGenerator<StoredDocument> {
  let after: string | undefined;
  for (;;) {
    const page = await store.listDocuments("rollout", {
      prefix: "",
      ...(after === undefined ? {} : { after }),
      limit: PAGE_SIZE,
      signal,
    });
    yield* page;
    after = page.at(-1)?.key;
    if (page.length < PAGE_SIZE) return;
  }
}

/** By what the plan tells its devices apart. */
export async function loadSlices(
  store: Store,
  record: RolloutRecord,
  plan: PlanRecord,
  signal: AbortSignal,
): Promise<{ sliced: SlicedPlan; versions: number[] }> {
  const joinedCount = countJoined(record.progress.joined);
  const ids = slicePageIds(record.number, plan, joinedCount);
  const versions: number[] = [];
  if (ids.length === 0) return { sliced: UNSLICED, versions };
  const pages = await store.loadPages(ids, { signal });
  for (const page of pages) versions[page.number] = page.version;
  return { sliced: decodeSlicePages(plan, pages, joinedCount), versions };
}

/** Reads the plan and the attempt pages of a rollout that has been planned. */
export async function loadRollout(
  options: LoadOptions,
  record: RolloutRecord,
  revision: number,
): Promise<OpenRollout> {
  const { store, signal, previousTarget, offerLifetimeMs } = options;
  const { plan, columns, versions } = await loadPlan(store, record, signal);
  const slices = await loadSlices(store, record, plan, signal);
  return new OpenRollout({
    record,
    revision,
    plan,
    columns,
    versions: { plan: versions, slices: slices.versions },
    pages: await store.loadPages(pageIds("attempt", record, plan), { signal }),
    sliced: slices.sliced,
    offerLifetimeMs,
    ...(previousTarget === undefined ? {} : { previousTarget }),
  });
}
