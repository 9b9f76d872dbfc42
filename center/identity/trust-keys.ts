// SPDX-License-Identifier: Apache-2.0
/**
 * The four TUF roles and where their keys live. Root and targets keys are the operator's: written
 * once into the operator's folder, to be moved off this machine, and not needed by the center
 * afterwards. Snapshot and timestamp keys are online: the center signs with them whenever targets
 * are published and before those two run out.
 */
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import { makePrivateFolder } from "../../protocol/trust/durable-file.ts";
import { loadOrCreateKey } from "./online-key.ts";

const DAY_MS = 86_400_000;

/**
 * How long each role's signature counts, milliseconds. Timestamp: how long a gateway cut off from
 * the center can hide a new release (freeze attack, TUF §1.5.2). Root: ten years, because a root
 * that runs out while devices are dark strands them, and replacing keys does not wait for expiry.
 * Targets are the operator's affair: a year (protocol/trust/sign-targets.ts).
 */
export const TRUST_LIFETIME_MS: Readonly<Record<"root" | "snapshot" | "timestamp", number>> = {
  root: 3_650 * DAY_MS,
  snapshot: 7 * DAY_MS,
  timestamp: DAY_MS,
};

/** File names in the operator's folder. */
export const ROOT_KEY_FILE = "root.key.pem";
export const TARGETS_KEY_FILE = "targets.key.pem";

export interface OnlineKeys {
  readonly snapshot: KeyObject;
  readonly timestamp: KeyObject;
}

export interface OperatorKeys {
  readonly root: KeyObject;
  readonly targets: KeyObject;
}

export async function loadOrCreateOnlineKeys(directory: string): Promise<OnlineKeys> {
  await makePrivateFolder(directory);
  return {
    snapshot: await loadOrCreateKey(join(directory, "snapshot.key.pem")),
    timestamp: await loadOrCreateKey(join(directory, "timestamp.key.pem")),
  };
}

/** Only at the first start; an operator who has prepared the two files finds them used. */
export async function loadOrCreateOperatorKeys(directory: string): Promise<OperatorKeys> {
  await makePrivateFolder(directory);
  return {
    root: await loadOrCreateKey(join(directory, ROOT_KEY_FILE)),
    targets: await loadOrCreateKey(join(directory, TARGETS_KEY_FILE)),
  };
}
