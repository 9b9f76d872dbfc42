// SPDX-License-Identifier: Apache-2.0
/** By what a new plan tells its devices apart: the facts that its gate names, and their sites. */
import { assert } from "../../domain/assert.ts";
import type { DeviceFacts } from "../../domain/device.ts";
import { SLOT_NAMES, type SlotName } from "../../domain/running-page.ts";
import { sliceFact, slicePlan, type SlicedPlan } from "../../domain/slices.ts";
import type { ReleaseIndex } from "../releases/release-index.ts";
import type { DigestDictionary } from "../state/digest-dictionary.ts";
import type { RunningTable } from "../state/running-table.ts";

export interface PlanSlicesOptions {
  readonly releases: ReleaseIndex;
  readonly running: () => RunningTable;
  readonly digests: () => DigestDictionary;
}

/** Characters of a digest that stand for a release which was never published here. */
const DIGEST_CHARACTERS = 12;

/** `devices` in order of ordinal; all of the plan's are among them. */
export function sliceNewPlan(
  options: PlanSlicesOptions,
  names: readonly string[],
  slot: SlotName,
  ordinals: Uint32Array,
  devices: readonly DeviceFacts[],
): SlicedPlan {
  const byOrdinal = new Map(devices.map((device) => [device.ordinal, device]));
  const planned = Array.from(ordinals, (ordinal) => {
    const device = byOrdinal.get(ordinal);
    assert(device !== undefined, "a planned device is of the inventory");
    return device;
  });
  const previous = previousReleases(options, slot);
  return slicePlan(
    planned,
    names.map((name) => sliceFact(name, previous)),
  );
}

/** What a device runs at plan time: what it will have run before. */
function previousReleases(
  options: PlanSlicesOptions,
  slot: SlotName,
): (device: DeviceFacts) => string | undefined {
  const slotIndex = SLOT_NAMES.indexOf(slot);
  const running = options.running();
  const digests = options.digests();
  return ({ ordinal }) => {
    const runs = running.get(ordinal, slotIndex);
    if (!runs.known) return undefined;
    if (runs.release === 0) return "nothing";
    const digest = digests.digestOf(runs.release);
    const release = options.releases.byManifestDigest(digest);
    return release === undefined
      ? digest.slice(0, DIGEST_CHARACTERS)
      : `${release.name}@${release.version}`;
  };
}
