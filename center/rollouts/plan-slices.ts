// SPDX-License-Identifier: Apache-2.0
/** By what a new plan tells its devices apart: the facts that its gate names, and their sites. */
import type { DeviceFacts } from "../../domain/device.ts";
import { SLOT_NAMES, type SlotName } from "../../domain/running-page.ts";
import { SliceDraft, sliceFact } from "../../domain/slices.ts";
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

/** By the facts that a gate names, as the devices of a new plan are added. */
export function sliceDraftOf(
  options: PlanSlicesOptions,
  names: readonly string[],
  slot: SlotName,
): SliceDraft {
  const previous = previousReleases(options, slot);
  return new SliceDraft(names.map((name) => sliceFact(name, previous)));
}

/** What a device runs at plan time: what it will have run before. */
export function previousReleases(
  options: PlanSlicesOptions,
  slot: SlotName,
): (device: DeviceFacts) => string | undefined {
  const slotIndex = SLOT_NAMES.indexOf(slot);
  const running = options.running();
  const digests = options.digests();
  return ({ ordinal }) => {
    const runs = running.releaseOf(ordinal, slotIndex);
    if (runs === -1) return undefined;
    if (runs === 0) return "nothing";
    const digest = digests.digestOf(runs);
    const release = options.releases.byManifestDigest(digest);
    return release === undefined
      ? digest.slice(0, DIGEST_CHARACTERS)
      : `${release.name}@${release.version}`;
  };
}
