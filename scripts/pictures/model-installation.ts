// SPDX-License-Identifier: Apache-2.0
//
// An installation that exists only for pictures: a thousand devices at fifty sites, everything that
// an example names published. The same every time, so that a picture changes only with what it
// shows.

import { deviceJson } from "../../center/devices/device-record.ts";
import { releaseKey, ReleaseIndex } from "../../center/releases/release-index.ts";
import { makeScript } from "../../center/rehearsal/script-maker.ts";
import type { RehearsalScript } from "../../center/rehearsal/rehearsal.ts";
import { draftRecord } from "../../center/rollouts/rollout-record.ts";
import { DigestDictionary } from "../../center/state/digest-dictionary.ts";
import { FleetTable } from "../../center/state/fleet-table.ts";
import { RunningTable } from "../../center/state/running-table.ts";
import { HOURS_A_WEEK, setOnline } from "../../domain/availability-page.ts";
import { DEFAULT_TENANT } from "../../domain/identity.ts";
import type { RolloutSpec } from "../../domain/rollout.ts";
import { compileSelector } from "../../domain/selector/matches.ts";
import { parseSelector } from "../../domain/selector/parser.ts";
import { SeededRandom } from "../../domain/seeded-random.ts";
import { openDirectSqliteStore } from "../../engines/sqlite/direct-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { DeviceWrite, DocumentWrite, Store } from "../../ports/store.ts";

/** Monday, 2026-03-02 08:00 UTC. */
const START_MS = 1_772_438_400_000;
const DEVICES = 1_000;
const SITES = 50;
const TENANT = DEFAULT_TENANT;
/** What installs take on this fleet: most about three minutes, some ten. */
const WORK_MS: readonly number[] = [60_000, 120_000, 180_000, 240_000, 600_000];

const { signal } = new AbortController();

/** Ordinals of devices count from 1. */
export const siteOf = (ordinal: number): number => (ordinal - 1) % SITES;
export const gatewayOf = (ordinal: number): number => 1 + (ordinal % 2);
export const isCritical = (ordinal: number): boolean => (ordinal - 1) % 20 === 0;

export interface Circumstances {
  /** Whom the release may break; "" = everybody. */
  readonly brokenSelector?: string;
  /** Wall time. Default: Monday morning. */
  readonly startAtMs?: number;
  /** One device in twenty is never online, another one from ten to noon only. */
  readonly isAway?: boolean;
  /** Another rollout, number 3, on the same devices. */
  readonly beside?: RolloutSpec;
}

/** The script of a rehearsal of this spec, which is rollout number 1. */
export async function scriptFor(
  spec: RolloutSpec,
  circumstances: Circumstances = {},
): Promise<RehearsalScript> {
  const { beside, isAway = false } = circumstances;
  const releases = beside === undefined ? [spec.release] : [spec.release, beside.release];
  const first = await scriptOf(spec, 1, releases, circumstances);
  const second = beside === undefined ? null : await scriptOf(beside, 3, releases, circumstances);
  const { ordinals, model } = first;
  const workMs = Float64Array.from(WORK_MS);
  const onlineHours = isAway ? awayHours(ordinals, model.onlineHours) : model.onlineHours;
  return {
    ...first,
    documents: [...first.documents, ...(second?.documents ?? [])],
    pages: [...first.pages, ...(second?.pages ?? [])],
    model: { ...model, workMs, onlineHours },
  };
}

function awayHours(ordinals: Uint32Array, always: Uint8Array): Uint8Array {
  const hours = Uint8Array.from(always);
  ordinals.forEach((ordinal, position) => {
    const place = ordinal % 20;
    if (place > 1) return;
    for (let hour = 0; hour < HOURS_A_WEEK; hour++) {
      const isThere = place === 1 && hour % 24 >= 10 && hour % 24 < 12;
      setOnline(hours, position, hour, isThere);
    }
  });
  return hours;
}

async function scriptOf(
  spec: RolloutSpec,
  number: number,
  published: readonly string[],
  { brokenSelector = "", startAtMs = START_MS }: Circumstances,
): Promise<RehearsalScript> {
  const clock: Clock = { monotonicMs: () => 0, wallMs: () => startAtMs, setTimer: () => () => {} };
  const random = seededRandom(number);
  const store = openDirectSqliteStore({ path: ":memory:", clock });
  const ordinals = await fill(store, published);
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
    draftRecord({
      number,
      tenant: TENANT,
      name: `picture-${number}`,
      spec,
      createdAtMs: startAtMs,
    }),
    compileSelector(parseSelector(brokenSelector)),
    signal,
  );
  await store.close();
  return script;
}

function seededRandom(seed: number): Random {
  const random = new SeededRandom(seed);
  return {
    next: () => random.next(),
    bytes: (length) => Uint8Array.from({ length }, () => random.below(256)),
  };
}

async function fill(store: Store, releases: readonly string[]): Promise<readonly number[]> {
  const devices = Array.from({ length: DEVICES }, (_, index): DeviceWrite => {
    const record = {
      region: index % 2 === 0 ? "eu" : "us",
      site: `site-${siteOf(index + 1)}`,
      labels: { ring: index % 10 === 0 ? "canary" : "early" },
      serviceLevel: "",
      critical: isCritical(index + 1),
      retired: false,
      inventory: { hwRevision: index % 8 < 2 ? "rev-b" : "rev-a" },
      agent: "",
      registeredAtMs: START_MS,
    };
    const id = `device-${index}`;
    return { ordinal: 0, tenant: TENANT, id, expectedRevision: 0, value: deviceJson(record) };
  });
  const documents = releases.map((release, index) => publishedDocument(release, index));
  const result = await store.commit({ documents, devices }, { signal });
  if (!result.ok) throw new Error("the store of a picture was not empty");
  return result.ordinals;
}

function publishedDocument(release: string, index: number): DocumentWrite {
  const at = release.lastIndexOf("@");
  const name = release.slice(0, at);
  const version = release.slice(at + 1);
  const value = {
    tenant: TENANT,
    name,
    version,
    slot: "app",
    sha256: "ab".charAt(index).repeat(64),
    manifestBytes: 1,
    downloadBytes: 1,
    fits: {},
    publishedAtMs: START_MS,
    publishedBy: "pictures",
  };
  return { kind: "release", key: releaseKey(TENANT, name, version), expectedRevision: 0, value };
}
