// SPDX-License-Identifier: Apache-2.0
/** What a device runs in each slot, as sentences: the releases, and the configuration. */
import { SLOT_NAMES } from "../../domain/running-page.ts";
import { CONFIGURATION_SLOT } from "../../domain/subject.ts";
import type { ReleaseIndex } from "../releases/release-index.ts";
import type { DigestDictionary } from "../state/digest-dictionary.ts";
import type { RunningTable } from "../state/running-table.ts";

/** Slots of which the device has said nothing, and empty ones, are left out. */
export function runningFacts(
  options: {
    readonly releases: ReleaseIndex;
    readonly running: () => RunningTable;
    readonly digests: () => DigestDictionary;
  },
  ordinal: number,
): string[] {
  return SLOT_NAMES.flatMap((slot, index) => {
    const runs = options.running().get(ordinal, index);
    const digest = options.digests().digestOf(runs.release);
    if (!runs.known || digest === "") return [];
    const release = options.releases.byManifestDigest(digest);
    const noun = slot === CONFIGURATION_SLOT ? "configuration" : "release";
    const name =
      release === undefined
        ? `a ${noun} that is not published here (${digest.slice(0, 12)})`
        : `${noun} ${release.name}@${release.version}`;
    return [`slot ${slot} runs ${name}, ${runs.healthy ? "healthy" : "not healthy"}`];
  });
}
