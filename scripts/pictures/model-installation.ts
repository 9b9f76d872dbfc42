// SPDX-License-Identifier: Apache-2.0
//
// An installation that exists only for pictures: a thousand devices at fifty sites, everything that
// an example names published. The same every time, so that a picture changes only with what it
// shows.

import { releaseKey, ReleaseIndex } from "../../center/releases/release-index.ts";
import { makeScript } from "../../center/rehearsal/script-maker.ts";
import type { FleetModel, RehearsalScript } from "../../center/rehearsal/rehearsal.ts";
import { draftRecord, rolloutKey, toJson } from "../../center/rollouts/rollout-record.ts";
import type { RolloutRecord } from "../../center/rollouts/rollout-record.ts";
import type { Joiner } from "../../center/rollouts/planned-devices.ts";
import { DigestDictionary } from "../../center/state/digest-dictionary.ts";
import { FleetTable } from "../../center/state/fleet-table.ts";
import { RunningTable } from "../../center/state/running-table.ts";
import { HOUR_BYTES } from "../../domain/availability-page.ts";
import { DEFAULT_TENANT } from "../../domain/identity.ts";
import { siteKey } from "../../domain/place-loads.ts";
import type { RolloutSpec } from "../../domain/rollout.ts";
import { SLOT_NAMES, type SlotName } from "../../domain/running-page.ts";
import { compileSelector } from "../../domain/selector/matches.ts";
import { parseSelector } from "../../domain/selector/parser.ts";
import { SeededRandom } from "../../domain/seeded-random.ts";
import { openDirectSqliteStore } from "../../engines/sqlite/direct-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { DocumentWrite, Store } from "../../ports/store.ts";
import { awayHours, gatewayOf, isCritical, modelDevice, siteName } from "./model-devices.ts";

/** Monday, 2026-03-02 08:00 UTC. */
const START_MS = 1_772_438_400_000;
const DEVICES = 1_000;
const TENANT = DEFAULT_TENANT;
/** What installs take on this fleet: most about three minutes, some ten. */
const WORK_MS: readonly number[] = [60_000, 120_000, 180_000, 240_000, 600_000];

const { signal } = new AbortController();

export interface PublishedRelease {
  /** `name@version`. */
  readonly release: string;
  readonly slot: SlotName;
  /** Default: it can be installed from any version. */
  readonly floor?: string;
}

export interface Circumstances {
  /** Whom the release may break; "" = everybody. */
  readonly brokenSelector?: string;
  /** Wall time. Default: Monday morning. */
  readonly startAtMs?: number;
  /** One device in twenty is never online, another one from ten to noon only. */
  readonly isAway?: boolean;
  /** The release, and what was published before it. Default: the release alone, of slot app. */
  readonly published?: readonly PublishedRelease[];
  /** What a device runs at first. Default: nothing. */
  readonly runs?: (ordinal: number) => string;
  /** Devices that the selector does not name when the plan is made. Default: none. */
  readonly newcomerCount?: number;
  /** Another rollout, number 3, on the same devices. */
  readonly beside?: {
    readonly name: string;
    readonly spec: RolloutSpec;
    readonly slot: SlotName;
  };
}

/** The script of a rehearsal of this spec, which is rollout number 1. */
export async function scriptFor(
  spec: RolloutSpec,
  circumstances: Circumstances = {},
): Promise<RehearsalScript> {
  const { beside, startAtMs: createdAtMs = START_MS } = circumstances;
  const { isAway = false, newcomerCount = 0 } = circumstances;
  const released: readonly PublishedRelease[] = [
    ...(circumstances.published ?? [{ release: spec.release, slot: "app" }]),
    ...(beside === undefined ? [] : [{ release: beside.spec.release, slot: beside.slot }]),
  ];
  const draft = { tenant: TENANT, createdAtMs };
  const own = draftRecord({ ...draft, number: 1, name: "picture-1", spec });
  const other =
    beside && draftRecord({ ...draft, number: 3, name: beside.name, spec: beside.spec });
  const first = await scriptOf(own, { ...circumstances, released, other });
  const second = other && (await scriptOf(other, { ...circumstances, released }));
  const workMs = Float64Array.from(WORK_MS);
  const script = withNewcomers(first, newcomerCount);
  const { model, ordinals } = script;
  const onlineHours = isAway ? awayHours(ordinals, model.onlineHours) : model.onlineHours;
  return {
    ...script,
    documents: [...first.documents, ...(second?.documents ?? [])],
    pages: [...first.pages, ...(second?.pages ?? [])],
    model: { ...model, workMs, onlineHours },
  };
}

/** Devices that come to match after the plan of a picture was made, as its rollout takes them. */
export function newcomersOf({ ordinals, plan, spec }: RehearsalScript): readonly Joiner[] {
  return Array.from(ordinals.subarray(plan.deviceCount), (ordinal) => ({
    ordinal,
    site: siteKey(TENANT, siteName(ordinal)),
    zone: 0,
    target: 0,
    isLast: isCritical(ordinal) && spec.order === "critical-last",
    slices: [],
  }));
}

/** They are connected, and in no plan. */
function withNewcomers(script: RehearsalScript, count: number): RehearsalScript {
  const { ordinals, runs, model } = script;
  const total = ordinals.length + count;
  const next = DEVICES + 1 - ordinals.length;
  const all = Uint32Array.from({ length: total }, (_, at) => ordinals[at] ?? next + at);
  const onlineHours = new Uint8Array(total * HOUR_BYTES).fill(0xff);
  onlineHours.set(model.onlineHours);
  const grown: FleetModel = {
    ...model,
    onlineHours,
    fragile: Uint8Array.from(all, (_, at) => model.fragile[at] ?? 1),
    gateways: Uint16Array.from(all, gatewayOf),
  };
  return {
    ...script,
    ordinals: all,
    runs: Uint16Array.from(all, (_, at) => runs[at] ?? 0),
    model: grown,
  };
}

async function scriptOf(
  record: RolloutRecord,
  circumstances: Circumstances & {
    readonly released: readonly PublishedRelease[];
    readonly other?: RolloutRecord | undefined;
  },
): Promise<RehearsalScript> {
  const { brokenSelector = "", startAtMs = START_MS, released, other } = circumstances;
  const clock: Clock = { monotonicMs: () => 0, wallMs: () => startAtMs, setTimer: () => () => {} };
  const random = seededRandom(record.number);
  const store = openDirectSqliteStore({ path: ":memory:", clock });
  const ordinals = await fill(store, released, other);
  const fleet = new FleetTable({
    clock,
    isGatewayOnline: () => true,
    gapMs: 15_000,
    settleMs: 0,
    firstFence: 1,
  });
  for (const ordinal of ordinals) fleet.open(ordinal, gatewayOf(ordinal));
  const releases = await ReleaseIndex.load(store, signal);
  const digests = await DigestDictionary.load(store, signal);
  const running = await RunningTable.load(store, signal);
  runAtFirst(ordinals, { releases, digests, running }, circumstances);
  const script = await makeScript(
    {
      store,
      clock,
      random,
      releases,
      openRollouts: () => [],
      running: () => running,
      digests: () => digests,
      fleet,
      offerLifetimeMs: 60_000,
      leaseLifetimeMs: 30_000,
    },
    record,
    compileSelector(parseSelector(brokenSelector)),
    signal,
  );
  await store.close();
  return script;
}

function runAtFirst(
  ordinals: readonly number[],
  center: { releases: ReleaseIndex; digests: DigestDictionary; running: RunningTable },
  { runs }: Circumstances,
): void {
  if (runs === undefined) return;
  const slot = SLOT_NAMES.indexOf("app");
  for (const ordinal of ordinals) {
    const [name = "", version = ""] = runs(ordinal).split("@");
    const digest = center.releases.get(TENANT, name, version)?.sha256 ?? "";
    const release = center.digests.indexOf(digest);
    center.running.set(ordinal, slot, { release, generation: 0, healthy: true });
  }
}

function seededRandom(seed: number): Random {
  const random = new SeededRandom(seed);
  return {
    next: () => random.next(),
    bytes: (length) => Uint8Array.from({ length }, () => random.below(256)),
  };
}

async function fill(
  store: Store,
  releases: readonly PublishedRelease[],
  other: RolloutRecord | undefined,
): Promise<readonly number[]> {
  const devices = Array.from({ length: DEVICES }, (_, index) =>
    modelDevice(index + 1, TENANT, START_MS),
  );
  const documents = releases.map(publishedDocument);
  if (other !== undefined) {
    const key = rolloutKey(TENANT, other.name);
    documents.push({ kind: "rollout", key, expectedRevision: 0, value: toJson(other) });
  }
  const result = await store.commit({ documents, devices }, { signal });
  if (!result.ok) throw new Error("the store of a picture was not empty");
  return result.ordinals;
}

function publishedDocument(
  { release, slot, floor = "" }: PublishedRelease,
  index: number,
): DocumentWrite {
  const [name = "", version = ""] = release.split("@");
  const value = {
    tenant: TENANT,
    name,
    version,
    slot,
    sha256: "abcdef".charAt(index).repeat(64),
    manifestBytes: 1,
    downloadBytes: 1,
    fits: {},
    floor,
    publishedAtMs: START_MS,
    publishedBy: "pictures",
  };
  return { kind: "release", key: releaseKey(TENANT, name, version), expectedRevision: 0, value };
}
