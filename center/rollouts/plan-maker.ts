// SPDX-License-Identifier: Apache-2.0
/**
 * Freezes the plan of a draft: reads the inventory, asks the pure planner, stores plan, pages,
 * record and audit entry in one commit. The audit entry carries the plan's digest and its worst
 * case, so what was reviewed can be proven later.
 */
import { compileSelector } from "../../domain/selector/matches.ts";
import { parseSelector } from "../../domain/selector/parser.ts";
import type { DeviceFacts } from "../../domain/device.ts";
import { hasBandwidth } from "../../domain/bandwidth.ts";
import { MusterError } from "../../domain/errors.ts";
import { NO_PLACE, siteKey } from "../../domain/place-loads.ts";
import { PlanDraft, type Plan } from "../../domain/planner.ts";
import { SLOT_NAMES } from "../../domain/running-page.ts";
import type { SlicedPlan } from "../../domain/slices.ts";
import type { ArtifactStore } from "../../ports/artifact-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { Commit, Store } from "../../ports/store.ts";
import { factsOf } from "../devices/device-record.ts";
import { measureDownloads } from "../releases/download-sizes.ts";
import type { ReleaseIndex } from "../releases/release-index.ts";
import type { DigestDictionary } from "../state/digest-dictionary.ts";
import type { RunningTable } from "../state/running-table.ts";
import { devicesDigest, planDigest } from "./plan-digest.ts";
import type { OpenRollout } from "./open-rollout.ts";
import { findConflicts } from "./plan-conflicts.ts";
import { countKept, readPredecessors } from "./plan-order.ts";
import { encodePlanPages, markTogether, type PlanColumns } from "./plan-pages.ts";
import { sliceDraftOf } from "./plan-slices.ts";
import { findSubject, type PlannedSubject } from "./planned-subject.ts";
import { plannedPath } from "./running-version.ts";
import { rolloutKey, toJson, type PlanRecord, type RolloutRecord } from "./rollout-record.ts";
import { encodeSlicePages } from "./slice-pages.ts";

export interface PlanMakerOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: Random;
  readonly releases: ReleaseIndex;
  /** Manifests and chunk indexes of what is published; a model's releases have none. */
  readonly artifacts?: Pick<ArtifactStore, "stat" | "read">;
  readonly running: () => RunningTable;
  readonly digests: () => DigestDictionary;
  readonly openRollouts: () => Iterable<OpenRollout>;
}

/** Devices read at once: enough to make a call cheap, few enough that others are served between. */
const INVENTORY_PAGE = 2_000;
/** Download, install and checks of one device, where nothing better is known. */
const EXPECTED_ATTEMPT_MS = 60_000;

/** A plan that is not stored: what would be frozen, and its pages' columns. */
export interface DraftedPlan {
  readonly frozen: PlanRecord;
  readonly columns: PlanColumns;
  readonly sliced: SlicedPlan;
  /** By position: what each device fetches; empty without caps of the bandwidth. */
  readonly transferBytes: Float64Array;
}

/** Throws `not_found` (release), `failed_precondition` (nobody to plan for). */
export async function draftPlan(
  options: PlanMakerOptions,
  record: RolloutRecord,
  signal: AbortSignal,
): Promise<DraftedPlan> {
  const subject = findSubject(options.releases, record);
  const first = await readPredecessors(options, record, subject.slot, signal);
  const seed = Buffer.from(options.random.bytes(16)).toString("hex");
  const { plan, sliced } = await askPlanner(options, record, subject, seed, signal);
  if (plan.ordinals.length === 0) throw nobody(record, plan);
  const { priority, compatible } = record.spec;
  const own = { ...record, priority, compatible, isRollback: false, slot: subject.slot };
  const conflicts = findConflicts(own, record.tenant, plan, options.openRollouts());
  const waits = countKept(first, plan.ordinals);
  const plannedAtMs = options.clock.wallMs();
  const frozen = freeze(record, subject, plan, { sliced, conflicts, waits, seed, plannedAtMs });
  const { ordinals, transferBytes } = plan;
  const siteKeys = plan.sites.names.map((site) => siteKey(record.tenant, site));
  const sites = plan.sites.byPosition.map((site) => siteKeys[site] ?? NO_PLACE);
  const zones = plan.zones?.byPosition ?? null;
  const targets = markTogether(plan.targets, plan.together);
  return { frozen, columns: { ordinals, sites, targets, zones }, sliced, transferBytes };
}

/** The record of a rollout whose plan is frozen. */
export function plannedRecord(record: RolloutRecord): RolloutRecord {
  const stateReason = "planned, not started";
  return { ...record, progress: { ...record.progress, state: "planned", stateReason } };
}

/** Where the spec wants it, another operator than `actor` has to approve the plan. */
function plannedOrAwaiting(record: RolloutRecord, actor: string): RolloutRecord {
  const planned = { ...plannedRecord(record), plannedBy: actor };
  if (record.spec.approval === "none") return planned;
  const stateReason = `planned by ${actor}; another operator must approve it`;
  const progress = { ...planned.progress, state: "awaiting-approval" as const, stateReason };
  return { ...planned, progress };
}

/** The draft that is to be planned. */
export interface UnplannedDraft {
  readonly record: RolloutRecord;
  /** 0 = it is not stored yet. */
  readonly revision: number;
  readonly actor: string;
  readonly reason: string;
  /** Of the same commit, before what the plan writes. */
  readonly beside?: Pick<Commit, "documents" | "audit">;
}

/** Throws what `draftPlan` throws, and `conflict`. */
export async function makePlan(
  options: PlanMakerOptions,
  draft: UnplannedDraft,
  signal: AbortSignal,
): Promise<{ record: RolloutRecord; plan: PlanRecord; revision: number }> {
  const { record } = draft;
  const { frozen, columns, sliced } = await draftPlan(options, record, signal);
  const planned = plannedOrAwaiting(record, draft.actor);
  const key = rolloutKey(record.tenant, record.name);
  const { documents = [], audit = [] } = draft.beside ?? {};
  const result = await options.store.commit(
    {
      documents: [
        ...documents,
        {
          kind: "rollout",
          key,
          expectedRevision: draft.revision,
          value: toJson(planned),
        },
        { kind: "plan", key, expectedRevision: 0, value: toJson(frozen) },
      ],
      pages: [
        ...encodePlanPages(record.number, columns),
        ...encodeSlicePages(record.number, sliced),
      ],
      audit: [
        ...audit,
        {
          tenant: record.tenant,
          actor: draft.actor,
          action: "rollout.plan",
          subject: `rollout/${key}`,
          reason: draft.reason,
          detail: {
            number: record.number,
            digest: frozen.digest,
            deviceCount: frozen.deviceCount,
            blastRadius: frozen.limits.blastRadius,
            maxInFlight: frozen.limits.maxInFlight,
            maxFailures: frozen.limits.maxFailures,
            maxFailureRatePercent: frozen.limits.maxFailureRatePercent,
            waves: frozen.waves.map((wave) => wave.end - wave.start),
          },
        },
      ],
    },
    { signal },
  );
  if (!result.ok) throw changedMeanwhile(record.name);
  return { record: planned, plan: frozen, revision: draft.revision + 1 };
}

/** `conflict`: read again and repeat. */
export function changedMeanwhile(name: string): MusterError {
  return new MusterError({
    code: "conflict",
    message: `rollout ${name} was changed by somebody else at the same time`,
    detail: { hint: `look at it and repeat: muster get rollouts ${name}` },
  });
}

async function askPlanner(
  options: PlanMakerOptions,
  record: RolloutRecord,
  subject: PlannedSubject,
  seed: string,
  signal: AbortSignal,
): Promise<{ plan: Plan; sliced: SlicedPlan }> {
  const selects = compileSelector(parseSelector(record.spec.selector));
  const slot = SLOT_NAMES.indexOf(subject.slot);
  const running = options.running();
  const digests = options.digests();
  const runsOf = ({ ordinal }: DeviceFacts): string => {
    const release = running.releaseOf(ordinal, slot);
    return release === -1 ? "" : digests.digestOf(release);
  };
  const downloadBytesOf = await downloadSizes(options, subject, slot, signal);
  const draft = new PlanDraft(
    {
      spec: record.spec,
      release: subject,
      selects,
      runsRelease: ({ ordinal }) => {
        if (subject.digest === null) return false;
        const runs = running.get(ordinal, slot);
        return runs.known && runs.healthy && digests.digestOf(runs.release) === subject.digest;
      },
      ...plannedPath(options, record.tenant, subject),
      downloadBytesOf: (device) => downloadBytesOf(runsOf(device)),
      expectedAttemptMs: EXPECTED_ATTEMPT_MS,
    },
    seed,
  );
  const slices = sliceDraftOf(options, record.spec.gate.slices, subject.slot);
  for (let afterOrdinal = 0; ;) {
    const page = await options.store.listDevices({
      tenant: record.tenant,
      afterOrdinal,
      limit: INVENTORY_PAGE,
      signal,
    });
    for (const device of page.map(factsOf)) if (draft.add(device)) slices.add(device);
    afterOrdinal = page.at(-1)?.ordinal ?? afterOrdinal;
    if (page.length < INVENTORY_PAGE) break;
  }
  const plan = draft.finish();
  return { plan, sliced: slices.finish(plan.order) };
}

/** Bytes to fetch by the digest of what a device runs. */
async function downloadSizes(
  options: PlanMakerOptions,
  { digest, downloadBytes }: PlannedSubject,
  slot: number,
  signal: AbortSignal,
): Promise<(running: string) => number> {
  const { artifacts, releases } = options;
  if (artifacts === undefined || digest === null) return () => downloadBytes;
  const isPublished = (known: string): boolean => releases.byManifestDigest(known) !== undefined;
  const running = new Set([""]);
  const digests = options.digests();
  options.running().forEachKnown(slot, (_, index) => running.add(digests.digestOf(index)));
  const release = { sha256: digest, downloadBytes };
  return measureDownloads({ artifacts, release, running, isPublished, signal });
}

function freeze(
  record: RolloutRecord,
  subject: PlannedSubject,
  plan: Plan,
  more: Pick<PlanRecord, "conflicts" | "waits" | "seed" | "plannedAtMs"> & {
    readonly sliced: SlicedPlan;
  },
): PlanRecord {
  const { sliced, conflicts, waits, seed, plannedAtMs } = more;
  const frozen = {
    seed,
    slot: subject.slot,
    deviceCount: plan.ordinals.length,
    waves: plan.waves.map((wave) => ({
      start: wave.start,
      end: wave.end,
      startMs: wave.startMs,
      endMs: wave.endMs,
      devicesDigest: devicesDigest(plan.deviceIds, wave.start, wave.end),
      sample: wave.sample,
    })),
    exclusions: plan.exclusions,
    zones: plan.zones?.zones ?? [],
    conflicts,
    waits,
    limits: plan.limits,
    siteCount: sliced.siteCount,
    slices: sliced.slices,
    targets: subject.targets,
    starts: plan.starts,
    ...(record.spec.command === null ? {} : { command: record.spec.command }),
    downloadBytes: plan.downloadBytes,
    expectedDurationMs: plan.expectedDurationMs,
    plannedAtMs,
  };
  // Whom the gate asks, how fast bytes move and what moves together is a part of the review.
  const { bandwidth, gate, together } = record.spec;
  const reviewed = {
    ...frozen,
    ...(gate.analysis === null ? {} : { analysis: gate.analysis }),
    ...(hasBandwidth(bandwidth) ? { bandwidth } : {}),
    ...(together === "" ? {} : { together }),
  };
  return { ...frozen, digest: planDigest(reviewed) };
}

function nobody(record: RolloutRecord, plan: Plan): MusterError {
  const excluded = plan.exclusions
    .map(({ reason, deviceCount }) => `${deviceCount} ${reason}`)
    .join(", ");
  return new MusterError({
    code: "failed_precondition",
    message:
      `cannot plan rollout ${record.name}: no device is left to plan for` +
      (excluded === "" ? "; the selector matches nobody" : ` (${excluded})`),
    detail: { field: "spec.selector", hint: "try the selector: muster get devices -l '…'" },
  });
}
