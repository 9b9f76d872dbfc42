// SPDX-License-Identifier: Apache-2.0
/** Digests that make a frozen plan checkable: whoever reviewed it can tell it from any other. */
import { createHash } from "node:crypto";
import { canonicalize } from "@tufjs/canonical-json";

/** SHA-256 (hex) over device ids in order, one a line. */
export function devicesDigest(deviceIds: readonly string[]): string {
  const hash = createHash("sha256");
  for (const id of deviceIds) hash.update(`${id}\n`);
  return hash.digest("hex");
}

/** SHA-256 (hex) over the canonical JSON of everything that the plan fixes. */
export function planDigest(plan: object): string {
  return createHash("sha256").update(canonicalize(plan)).digest("hex");
}
