// SPDX-License-Identifier: Apache-2.0
/** What the plan of a rollout needs to know of its subject: a published release or configuration,
 * or a command. */
import { MusterError } from "../../domain/errors.ts";
import type { PlannedRelease } from "../../domain/planner.ts";
import type { SlotName } from "../../domain/running-page.ts";
import { CONFIGURATION_SLOT, subjectOf } from "../../domain/subject.ts";
import { chainTo, type FloorRelease } from "../../domain/version-path.ts";
import type { ReleaseIndex, ReleaseRecord } from "../releases/release-index.ts";
import type { PlanTarget, RolloutRecord } from "./rollout-record.ts";

/** A release on the way to another, or the last one. */
export interface PathStep extends FloorRelease, PlannedRelease {
  readonly target: PlanTarget;
}

export interface PlannedSubject extends PlannedRelease {
  readonly slot: SlotName;
  /** What devices are offered: where the release has a floor, what leads there before it. */
  readonly targets: readonly PlanTarget[];
  /** Where it has one: the releases of `targets`. */
  readonly path?: { readonly name: string; readonly chain: readonly PathStep[] };
  /** Devices that run this digest, healthy, are left out; null = nobody is. */
  readonly digest: string | null;
}

const COMMAND: PlannedSubject = {
  slot: "command",
  fits: {},
  downloadBytes: 0,
  targets: [{ release: "", digest: "", manifestBytes: 0 }],
  digest: null,
};

/** Throws `not_found` for a release that is not published. */
export function findSubject(
  releases: ReleaseIndex,
  rollout: Pick<RolloutRecord, "tenant" | "spec">,
): PlannedSubject {
  const subject = subjectOf(rollout.spec);
  if (subject.kind === "command") return COMMAND;
  const text = subject.release;
  const at = text.lastIndexOf("@");
  const release = releases.get(rollout.tenant, text.slice(0, at), text.slice(at + 1));
  if (release === undefined) {
    throw new MusterError({
      code: "not_found",
      message: `${subject.kind} ${text} is not published in tenant ${rollout.tenant}`,
      detail: { field: `spec.${subject.kind}`, hint: "see what is: muster get releases" },
    });
  }
  if (subject.kind === "configuration" && release.slot !== CONFIGURATION_SLOT) {
    throw new MusterError({
      code: "failed_precondition",
      message: `${text} is no configuration: it is a release of slot ${release.slot}`,
      detail: { field: "spec.configuration", hint: "roll it out with `release`" },
    });
  }
  const { slot, fits, downloadBytes, sha256, name } = release;
  const facts = { slot, fits, downloadBytes, digest: sha256 };
  if (release.floor === "") return { ...facts, targets: [stepOf(release).target] };
  const published = releases
    .list(rollout.tenant)
    .filter((other) => other.name === name && other.slot === slot);
  const chain = chainTo(release, published).map(stepOf);
  const targets = chain.map(({ target }) => target);
  return { ...facts, targets, path: { name, chain } };
}

/** With the path as it was when the plan was made: what was published since is no step of it. */
export function asPlanned(
  releases: ReleaseIndex,
  subject: PlannedSubject,
  plan: { readonly targets: readonly PlanTarget[] },
): PlannedSubject {
  if (subject.path === undefined) return subject;
  const chain = plan.targets
    .map(({ digest }) => releases.byManifestDigest(digest))
    .filter((release) => release !== undefined)
    .map(stepOf);
  return { ...subject, targets: plan.targets, path: { ...subject.path, chain } };
}

function stepOf(release: ReleaseRecord): PathStep {
  const { name, version, floor, fits, downloadBytes, sha256, manifestBytes } = release;
  const target = { release: `${name}@${version}`, digest: sha256, manifestBytes };
  return { version, floor, fits, downloadBytes, target };
}
