// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { isMusterError } from "../../domain/errors.ts";
import type { ReleaseManifest } from "../../protocol/device/release-manifest.ts";
import { requireFloor } from "./release-floor.ts";
import { ReleaseIndex } from "./release-index.ts";

const BASE = { tenant: "default", name: "shop", slot: "app" as const };
const RECORD = {
  ...BASE,
  sha256: "",
  manifestBytes: 1,
  downloadBytes: 1,
  fits: {},
  floor: "",
  publishedAtMs: 0,
  publishedBy: "",
};

function floorOf(requires?: string): string {
  const releases = new ReleaseIndex();
  releases.add({ ...RECORD, version: "1.9.0", sha256: "a" });
  releases.add({ ...RECORD, version: "2.0.0-rc.1", sha256: "b" });
  releases.add({ ...RECORD, version: "2.5.0", name: "other", sha256: "c" });
  const manifest: ReleaseManifest = {
    ...BASE,
    schema: "muster.release/v1",
    version: "3.1.0",
    fits: {},
    requires,
    artifacts: [],
    steps: [{ kind: "service", restart: "shop" }],
  };
  try {
    return requireFloor(releases, manifest);
  } catch (error) {
    assert(isMusterError(error));
    return `${error.code} ${error.detail.field}: ${error.message}`;
  }
}

describe("the floor of a release that is published", () => {
  test("is a version that something published reaches, or nothing", () => {
    assert.deepEqual([undefined, ">=1.5.0", ">=1.9.0"].map(floorOf), ["", "1.5.0", "1.9.0"]);
  });

  test("is refused where it is none, or the release itself, or nobody can get there", () => {
    const refused = [">=2", ">=3.1.0", ">=2.0.0"].map(floorOf);
    const cannot = "cannot publish shop@3.1.0: its floor";
    assert.deepEqual(refused, [
      `invalid_argument spec.requires: ${cannot} ">=2" is no lowest version`,
      `invalid_argument spec.requires: ${cannot} ">=3.1.0" is not below 3.1.0`,
      `failed_precondition spec.requires: ${cannot} ">=2.0.0" is reached by no published ` +
        "release of shop below 3.1.0",
    ]);
  });
});
