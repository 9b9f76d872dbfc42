// SPDX-License-Identifier: Apache-2.0
/** What a bench's store holds before anything happens: devices, releases, drafts. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { deviceJson, type DeviceRecord } from "../../../center/devices/device-record.ts";
import { releaseKey } from "../../../center/releases/release-index.ts";
import { toJson, type RolloutRecord } from "../../../center/rollouts/rollout-record.ts";
import { DEFAULT_SPEC, INITIAL_PROGRESS, type RolloutSpec } from "../../../domain/rollout.ts";
import { specOf } from "../../../domain/testing/pure-rollout.ts";
import type { Store } from "../../../ports/store.ts";

export const TENANT = "default";
const { signal } = new AbortController();
const DEVICES_A_COMMIT = 1_000;

/** The digest of the manifest of `name@version`. */
export function digestOf(version: string, name = "app"): string {
  return createHash("sha256").update(`${name}@${version}`).digest("hex");
}

/** What is registered of a device, where it is not nothing. */
export type FactsOf = (index: number) => Partial<DeviceRecord>;

/** Of versions of `app`: from which version on each can be installed. */
export type Floors = { readonly [version: string]: string };

/** Answers the ordinals of the devices. */
export async function seedStore(
  store: Store,
  devices: number,
  factsOf: FactsOf = () => ({}),
  floors: Floors = {},
): Promise<readonly number[]> {
  const published = ["1", "2", "3"].map((version) => ["app", version, "app"] as const);
  const others = [
    ["firmware", "1", "os"],
    ["settings", "1", "config"],
  ] as const;
  const releases = [...published, ...others].map(([name, version, slot]) => ({
    kind: "release" as const,
    key: releaseKey(TENANT, name, version),
    expectedRevision: 0,
    value: {
      tenant: TENANT,
      name,
      version,
      slot,
      sha256: digestOf(version, name),
      manifestBytes: 1,
      downloadBytes: 1,
      fits: {},
      floor: name === "app" ? (floors[version] ?? "") : "",
      publishedAtMs: 0,
      publishedBy: "test",
    },
  }));
  const record = {
    region: "eu",
    site: "",
    labels: {},
    serviceLevel: "",
    critical: false,
    retired: false,
    inventory: {},
    agent: "",
    registeredAtMs: 0,
  };
  const stored = await store.commit({ documents: releases }, { signal });
  assert(stored.ok);
  const ordinals: number[] = [];
  for (let start = 0; start < devices; start += DEVICES_A_COMMIT) {
    const length = Math.min(DEVICES_A_COMMIT, devices - start);
    const batch = Array.from({ length }, (_, index) => ({
      ordinal: 0,
      tenant: TENANT,
      id: `device-${start + index}`,
      expectedRevision: 0,
      value: deviceJson({ ...record, ...factsOf(start + index) }),
    }));
    const result = await store.commit({ devices: batch }, { signal });
    assert(result.ok);
    ordinals.push(...result.ordinals);
  }
  return ordinals;
}

/** A draft of release app@2 for everybody, in one wave. */
export async function writeDraft(
  store: Store,
  name: string,
  spec: Partial<RolloutSpec>,
): Promise<{ record: RolloutRecord; revision: number }> {
  const drafts = await store.listDocuments("rollout", { prefix: "", limit: 100, signal });
  const record: RolloutRecord = {
    number: 1 + 2 * drafts.length,
    tenant: TENANT,
    name,
    spec: specOf({
      maxInFlight: { percent: 100 },
      blastRadius: { percent: 100 },
      gate: { ...DEFAULT_SPEC.gate, maxFailures: { percent: 100 }, minSuccessPercent: 50 },
      soakMs: 2_000,
      ...spec,
    }),
    progress: INITIAL_PROGRESS,
    plannedBy: "",
    approval: null,
    parent: "",
    child: "",
    createdAtMs: 0,
    startedAtMs: 0,
    endedAtMs: 0,
    detailCount: 0,
    outputKept: 0,
    outputRows: 0,
    outputLeftOut: 0,
    pruned: null,
    finalCounts: null,
  };
  const key = `${TENANT}/${name}`;
  const document = { kind: "rollout" as const, key, expectedRevision: 0, value: toJson(record) };
  const result = await store.commit({ documents: [document] }, { signal });
  assert(result.ok);
  return { record, revision: 1 };
}
