// SPDX-License-Identifier: Apache-2.0
/**
 * What must be done to get from what a slot holds to what an offer asks: pure, the answer is data.
 *
 * - The target already runs, whole: check its health and confirm it under the new generation.
 * - The other side holds it, proven and whole (a rollback): switch, nothing is downloaded.
 * - Else: fetch, stage on the other side, seal, switch, check, commit.
 *
 * `undo` is the way back from any point of that.
 */
import { MusterError } from "../domain/errors.ts";
import type { Command } from "../domain/subject.ts";
import { DEFAULT_STEP_TIMEOUT_MS } from "../protocol/device/release-manifest.ts";
import type { ReleaseArtifact, ReleaseManifest } from "../protocol/device/release-manifest.ts";
import { otherSide } from "./slots/slot-layout.ts";
import type { ActiveSide, Side } from "./slots/slot-layout.ts";
import type { SideRecord } from "./slots/side-record.ts";
import { STAGES } from "./steps/step.ts";
import type { Step } from "./steps/step.ts";

export interface DiffCurrent {
  readonly active: ActiveSide;
  readonly sides: { readonly [side in Side]: SideRecord | null };
  /** Sides whose tree was just measured and equals their record. */
  readonly wholeSides: readonly Side[];
}

export type DiffTarget =
  | { readonly action: "install"; readonly digest: string; readonly manifest: ReleaseManifest }
  | { readonly action: "remove" }
  | { readonly action: "run"; readonly command: Command; readonly bootId: string };

/** Throws `invalid_argument` when the manifest contradicts itself. */
export function diff(current: DiffCurrent, target: DiffTarget): readonly Step[] {
  if (target.action === "remove") return removeSteps(current);
  if (target.action === "run") return runSteps(target);
  const { manifest, digest } = target;
  const services = servicesOf(manifest);
  const { active } = current;
  const holds = (side: Side): boolean => {
    const record = current.sides[side];
    return record?.digest === digest && record.proven && current.wholeSides.includes(side);
  };
  if (active !== "none" && holds(active)) {
    return [...healthSteps(active, manifest), { kind: "commit" }];
  }
  const reusable = (["a", "b"] as const).find((side) => side !== active && holds(side));
  if (reusable !== undefined) {
    return [{ kind: "wait" }, ...activationSteps(reusable, services, manifest)];
  }
  const side = otherSide(active);
  return [
    ...fetchSteps(manifest),
    { kind: "wait" },
    { kind: "stage-clean", side },
    ...stagingSteps(side, manifest),
    { kind: "seal", side, services, healthCheck: manifest.healthCheck ?? null },
    ...activationSteps(side, services, manifest),
  ];
}

/**
 * The steps back of an attempt. `steps` and `furthestIndex` say how far it came; `formerServices`
 * are those of the side that ran before.
 */
export function undo(options: {
  steps: readonly Step[];
  furthestIndex: number;
  from: ActiveSide;
  formerServices: readonly string[];
}): readonly Step[] {
  const begun = options.steps.slice(0, options.furthestIndex + 1);
  const back: Step[] = [];
  const switched = begun.find((step) => step.kind === "switch");
  if (switched !== undefined) {
    back.push({ kind: "rollback", to: options.from });
    // With nothing to go back to, the services of the failed release are told all the same.
    const services =
      options.from === "none"
        ? begun.filter((step) => step.kind === "service").map((step) => step.restart)
        : options.formerServices;
    for (const restart of services) back.push({ kind: "service", restart });
  }
  const staged = begun.find((step) => step.kind === "stage-clean");
  if (staged !== undefined) back.push({ kind: "discard", side: staged.side });
  return back;
}

/** Where to go on after a restart: staging is not durable before its seal, so it starts afresh. */
export function resumeIndex(steps: readonly Step[], stepIndex: number): number {
  const step = steps[stepIndex];
  if (step === undefined || STAGES[step.kind] !== "install") return stepIndex;
  return steps.findIndex((candidate) => candidate.kind === "stage-clean");
}

function removeSteps(current: DiffCurrent): readonly Step[] {
  if (current.active === "none") return [{ kind: "commit" }];
  const services = current.sides[current.active]?.services ?? [];
  return [
    { kind: "wait" },
    { kind: "switch", to: "none" },
    ...services.map((restart): Step => ({ kind: "service", restart })),
    { kind: "commit" },
  ];
}

function runSteps(target: Extract<DiffTarget, { action: "run" }>): readonly Step[] {
  const { command, bootId } = target;
  return [{ kind: "wait" }, { kind: "run", command, bootId }];
}

function fetchSteps(manifest: ReleaseManifest): readonly Step[] {
  // Two names may stand for the same bytes: fetch them once.
  const byDigest = new Map(manifest.artifacts.map((artifact) => [artifact.sha256, artifact]));
  const artifacts = [...byDigest.values()].map(({ sha256, lengthBytes, chunkIndex }) => ({
    sha256,
    lengthBytes,
    ...(chunkIndex === null ? {} : { chunkIndex }),
  }));
  if (artifacts.length === 0) return [];
  return [
    ...artifacts.map((artifact): Step => ({ kind: "download", ...artifact })),
    { kind: "verify", artifacts },
  ];
}

function stagingSteps(side: Side, manifest: ReleaseManifest): readonly Step[] {
  return manifest.steps.flatMap((step, index): readonly Step[] => {
    switch (step.kind) {
      case "archive": {
        const artifact = artifactOf(manifest, step.artifact, index);
        const { sha256, lengthBytes, unpackedBytes } = artifact;
        if (unpackedBytes === undefined) {
          throw contradiction(index, `archive "${step.artifact}" states no unpackedBytes`);
        }
        const unpackedBytesMax = unpackedBytes;
        return [{ kind: "archive", side, sha256, lengthBytes, to: step.to, unpackedBytesMax }];
      }
      case "file": {
        const { sha256, lengthBytes } = artifactOf(manifest, step.artifact, index);
        const mode = Number.parseInt(step.mode ?? "0644", 8);
        return [{ kind: "file", side, sha256, lengthBytes, to: step.to, mode }];
      }
      case "command": {
        const timeoutMs = step.timeoutMs ?? DEFAULT_STEP_TIMEOUT_MS;
        return [{ kind: "command", side, run: step.run, timeoutMs }];
      }
      case "service":
        return []; // After the switch; see activationSteps.
    }
  });
}

function activationSteps(
  side: Side,
  services: readonly string[],
  manifest: ReleaseManifest,
): readonly Step[] {
  return [
    { kind: "switch", to: side },
    ...services.map((restart): Step => ({ kind: "service", restart })),
    ...healthSteps(side, manifest),
    { kind: "commit" },
  ];
}

function healthSteps(side: Side, manifest: ReleaseManifest): readonly Step[] {
  const check = manifest.healthCheck;
  return check === undefined ? [] : [{ kind: "health-check", side, check }];
}

/** The services that a release asks to restart, in order. */
export function servicesOf(manifest: ReleaseManifest): readonly string[] {
  return manifest.steps.flatMap((step) => (step.kind === "service" ? [step.restart] : []));
}

function artifactOf(manifest: ReleaseManifest, name: string, index: number): ReleaseArtifact {
  const artifact = manifest.artifacts.find((candidate) => candidate.name === name);
  if (artifact !== undefined) return artifact;
  throw contradiction(index, `artifact "${name}" is not in the release`);
}

function contradiction(stepIndex: number, what: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `the release contradicts itself: ${what}`,
    detail: { field: `steps[${stepIndex}]` },
  });
}
