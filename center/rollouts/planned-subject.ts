// SPDX-License-Identifier: Apache-2.0
/** What the plan of a rollout needs to know of its subject: a published release or configuration,
 * or a command. */
import { MusterError } from "../../domain/errors.ts";
import type { PlannedRelease } from "../../domain/planner.ts";
import type { SlotName } from "../../domain/running-page.ts";
import { CONFIGURATION_SLOT, subjectOf } from "../../domain/subject.ts";
import type { ReleaseIndex } from "../releases/release-index.ts";
import type { PlanTarget, RolloutRecord } from "./rollout-record.ts";

export interface PlannedSubject extends PlannedRelease {
  readonly slot: SlotName;
  /** What devices are offered. */
  readonly target: PlanTarget;
  /** Devices that run this digest, healthy, are left out; null = nobody is. */
  readonly digest: string | null;
}

const COMMAND: PlannedSubject = {
  slot: "command",
  fits: {},
  downloadBytes: 0,
  target: { release: "", digest: "", manifestBytes: 0 },
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
  const { slot, fits, downloadBytes, sha256, manifestBytes } = release;
  return {
    slot,
    fits,
    downloadBytes,
    target: { release: text, digest: sha256, manifestBytes },
    digest: sha256,
  };
}
