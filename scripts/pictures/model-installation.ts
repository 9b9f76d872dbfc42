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
import { DEFAULT_TENANT } from "../../domain/identity.ts";
import type { RolloutSpec } from "../../domain/rollout.ts";
import { compileSelector } from "../../domain/selector/matches.ts";
import { parseSelector } from "../../domain/selector/parser.ts";
import { SeededRandom } from "../../domain/seeded-random.ts";
import { openDirectSqliteStore } from "../../engines/sqlite/direct-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { DeviceWrite, Store } from "../../ports/store.ts";

/** Monday, 2026-03-02 08:00 UTC. */
const START_MS = 1_772_438_400_000;
const DEVICES = 1_000;
const SITES = 50;
const TENANT = DEFAULT_TENANT;
/** What installs take on this fleet: most about three minutes, some ten. */
const WORK_MS: readonly number[] = [60_000, 120_000, 180_000, 240_000, 600_000];

const { signal } = new AbortController();

/** The script of a rehearsal of this spec. */
export async function scriptFor(
  spec: RolloutSpec,
  brokenSelector: string,
): Promise<RehearsalScript> {
  const clock: Clock = { monotonicMs: () => 0, wallMs: () => START_MS, setTimer: () => () => {} };
  const random = seededRandom(1);
  const store = openDirectSqliteStore({ path: ":memory:", clock });
  const ordinals = await fill(store, spec.release);
  const fleet = new FleetTable({
    clock,
    isGatewayOnline: () => true,
    gapMs: 15_000,
    settleMs: 0,
    firstFence: 1,
  });
  for (const ordinal of ordinals) fleet.open(ordinal, 1 + (ordinal % 2));
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
    draftRecord({ number: 1, tenant: TENANT, name: "picture", spec, createdAtMs: START_MS }),
    compileSelector(parseSelector(brokenSelector)),
    signal,
  );
  await store.close();
  return { ...script, model: { ...script.model, workMs: Float64Array.from(WORK_MS) } };
}

function seededRandom(seed: number): Random {
  const random = new SeededRandom(seed);
  return {
    next: () => random.next(),
    bytes: (length) => Uint8Array.from({ length }, () => random.below(256)),
  };
}

async function fill(store: Store, release: string): Promise<readonly number[]> {
  const at = release.lastIndexOf("@");
  const name = release.slice(0, at);
  const version = release.slice(at + 1);
  const devices = Array.from({ length: DEVICES }, (_, index): DeviceWrite => {
    const record = {
      region: index % 2 === 0 ? "eu" : "us",
      site: `site-${index % SITES}`,
      labels: { ring: index % 10 === 0 ? "canary" : "early" },
      serviceLevel: "",
      critical: index % 20 === 0,
      retired: false,
      inventory: { hwRevision: index % 8 < 2 ? "rev-b" : "rev-a" },
      agent: "",
      registeredAtMs: START_MS,
    };
    const id = `device-${index}`;
    return { ordinal: 0, tenant: TENANT, id, expectedRevision: 0, value: deviceJson(record) };
  });
  const value = {
    tenant: TENANT,
    name,
    version,
    slot: "app",
    sha256: "a".repeat(64),
    manifestBytes: 1,
    downloadBytes: 1,
    fits: {},
    publishedAtMs: START_MS,
    publishedBy: "pictures",
  };
  const key = releaseKey(TENANT, name, version);
  const documents = [{ kind: "release" as const, key, expectedRevision: 0, value }];
  const result = await store.commit({ documents, devices }, { signal });
  if (!result.ok) throw new Error("the store of a picture was not empty");
  return result.ordinals;
}
