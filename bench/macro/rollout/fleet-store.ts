// SPDX-License-Identifier: Apache-2.0
/** Set-up: a Store with devices and two releases in it, written before the center starts. */
import assert from "node:assert/strict";
import { deviceJson } from "../../../center/devices/device-record.ts";
import { releaseKey } from "../../../center/releases/release-index.ts";
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import type { DocumentWrite } from "../../../ports/store.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { DIGEST_AFTER, DIGEST_BEFORE, TENANT } from "./bench-options.ts";

/** What a pretended agent says of itself in its hello; registered so that no hello is news. */
export const AGENT = "muster-agent/0.1.0";
export const INVENTORY = { arch: "arm64", model: "door-controller-3" };

const BATCH_DEVICES = 2_000;

/** The id of the device with this ordinal. */
export function deviceId(ordinal: number): string {
  return `door-${String(ordinal).padStart(7, "0")}`;
}

/** Registers devices with ordinals 1…`deviceCount`; `idOf` names them. */
export async function writeFleet(
  path: string,
  deviceCount: number,
  idOf: (ordinal: number) => string = deviceId,
): Promise<void> {
  const { signal } = new AbortController();
  await using store = openDirectSqliteStore({ path, clock: systemClock });
  const releases = [release("1", DIGEST_BEFORE), release("2", DIGEST_AFTER)];
  assert((await store.commit({ documents: releases }, { signal })).ok);
  for (let first = 1; first <= deviceCount; first += BATCH_DEVICES) {
    const count = Math.min(BATCH_DEVICES, deviceCount - first + 1);
    const devices = Array.from({ length: count }, (_, index) => ({
      ordinal: 0,
      tenant: TENANT,
      id: idOf(first + index),
      expectedRevision: 0,
      value: deviceJson(recordOf(first + index)),
    }));
    const result = await store.commit({ devices }, { signal });
    assert(result.ok && result.ordinals[0] === first, "ordinals are given in order");
  }
}

function recordOf(ordinal: number): Parameters<typeof deviceJson>[0] {
  return {
    region: "eu",
    site: `site-${ordinal % 5_000}`,
    labels: { floor: String(ordinal % 7) },
    serviceLevel: "standard",
    critical: false,
    retired: false,
    inventory: INVENTORY,
    agent: AGENT,
    registeredAtMs: 0,
  };
}

function release(version: string, sha256: string): DocumentWrite {
  return {
    kind: "release",
    key: releaseKey(TENANT, "app", version),
    expectedRevision: 0,
    value: {
      tenant: TENANT,
      name: "app",
      version,
      slot: "app",
      sha256,
      manifestBytes: 512,
      downloadBytes: 1_000_000,
      fits: {},
      publishedAtMs: 0,
      publishedBy: "bench",
    },
  };
}
