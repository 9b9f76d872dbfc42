// SPDX-License-Identifier: Apache-2.0
/** What a device ran before, as it is offered to it again. */
import { UNKNOWN_RELEASE } from "../../domain/attempt-page.ts";
import type { ReleaseIndex } from "../releases/release-index.ts";
import type { DigestDictionary } from "../state/digest-dictionary.ts";
import type { PlanTarget } from "./rollout-record.ts";

/** Facts of a published release, by the digest that devices report; null when it is not one. */
export type ReleaseByDigest = (
  digest: string,
) => { release: string; manifestBytes: number; downloadBytes: number } | null;

export function releaseLookup(releases: ReleaseIndex): ReleaseByDigest {
  return (digest) => {
    const release = releases.byManifestDigest(digest);
    if (release === undefined) return null;
    const { name, version, manifestBytes, downloadBytes } = release;
    return { release: `${name}@${version}`, manifestBytes, downloadBytes };
  };
}

/** By dictionary index; null: it was never reported, or never published here. */
export type PreviousTarget = (
  previous: number,
) => (PlanTarget & { readonly downloadBytes: number }) | null;

export function createPreviousTarget(
  digests: Pick<DigestDictionary, "digestOf">,
  releaseByDigest: ReleaseByDigest,
): PreviousTarget {
  return (previous) => {
    if (previous === UNKNOWN_RELEASE) return null;
    const digest = digests.digestOf(previous);
    const release = digest === "" ? null : releaseByDigest(digest);
    // Only index 0 is "nothing installed"; any other that names no published release is unknown.
    if (previous !== 0 && release === null) return null;
    return {
      release: release?.release ?? "",
      digest,
      manifestBytes: release?.manifestBytes ?? 0,
      downloadBytes: release?.downloadBytes ?? 0,
    };
  };
}
