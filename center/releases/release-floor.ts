// SPDX-License-Identifier: Apache-2.0
/** The floor of a release that is published: it has to be one from which devices can come. */
import { valid } from "semver";
import { MusterError } from "../../domain/errors.ts";
import { compareVersions } from "../../domain/version.ts";
import { floorIn, lowestStep } from "../../domain/version-path.ts";
import type { ReleaseManifest } from "../../protocol/device/release-manifest.ts";
import type { ReleaseIndex } from "./release-index.ts";

/**
 * The version in `requires`; "" = any. Throws `invalid_argument` where it names none below the
 * release itself, and `failed_precondition` where nothing that is published reaches it.
 */
export function requireFloor(releases: ReleaseIndex, manifest: ReleaseManifest): string {
  const { tenant, name, version, slot, requires } = manifest;
  if (requires === undefined) return "";
  const floor = floorIn(requires);
  if (floor === null || valid(floor) !== floor) {
    throw refused(manifest, "invalid_argument", "is no lowest version", 'write it as in ">=2.0.0"');
  }
  if (compareVersions(floor, version) >= 0) {
    const hint = "name a version below the release, or leave it out";
    throw refused(manifest, "invalid_argument", `is not below ${version}`, hint);
  }
  const published = releases
    .list(tenant)
    .filter((release) => release.name === name && release.slot === slot);
  if (lowestStep({ version, floor }, published) === null) {
    const hint = "publish the release that leads there first: muster apply -f BUNDLE";
    const why = `is reached by no published release of ${name} below ${version}`;
    throw refused(manifest, "failed_precondition", why, hint);
  }
  return floor;
}

function refused(
  { name, version, requires }: ReleaseManifest,
  code: "invalid_argument" | "failed_precondition",
  why: string,
  hint: string,
): MusterError {
  return new MusterError({
    code,
    message: `cannot publish ${name}@${version}: its floor ${JSON.stringify(requires)} ${why}`,
    detail: { field: "spec.requires", hint },
  });
}
