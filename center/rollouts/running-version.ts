// SPDX-License-Identifier: Apache-2.0
/** Which version of a release a device runs, as far as is known: where its path begins. */
import type { DeviceFacts } from "../../domain/device.ts";
import { SLOT_NAMES } from "../../domain/running-page.ts";
import type { PlannedPath, RunningVersion } from "../../domain/version-path.ts";
import type { ReleaseIndex } from "../releases/release-index.ts";
import type { DigestDictionary } from "../state/digest-dictionary.ts";
import type { RunningTable } from "../state/running-table.ts";
import type { PlannedSubject } from "./planned-subject.ts";

/** What is not known, was never published here, or is another release, is of no known version. */
export function plannedPath(
  options: {
    readonly releases: ReleaseIndex;
    readonly running: () => RunningTable;
    readonly digests: () => DigestDictionary;
  },
  tenant: string,
  { path, slot }: PlannedSubject,
): { readonly path: PlannedPath } | undefined {
  if (path === undefined) return undefined;
  const slotIndex = SLOT_NAMES.indexOf(slot);
  const running = options.running();
  const digests = options.digests();
  const runs = ({ ordinal }: DeviceFacts): RunningVersion => {
    const index = running.releaseOf(ordinal, slotIndex);
    if (index === -1) return { kind: "unknown" };
    if (index === 0) return { kind: "nothing" };
    const release = options.releases.byManifestDigest(digests.digestOf(index));
    const isOfPath = release?.name === path.name && release.tenant === tenant;
    return isOfPath ? { kind: "version", version: release.version } : { kind: "unknown" };
  };
  return { path: { chain: path.chain, runs } };
}
