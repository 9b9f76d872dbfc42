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

/**
 * SHA-256 (hex) over the canonical JSON of everything that the plan fixes. Canonical JSON knows
 * whole numbers only: a failure rate of 4.8 % goes in as its text.
 */
export function planDigest(plan: object): string {
  const whole: unknown = JSON.parse(
    JSON.stringify(plan, (_name, value: unknown) =>
      typeof value === "number" && !Number.isInteger(value) ? String(value) : value,
    ),
  );
  return createHash("sha256").update(canonicalize(whole)).digest("hex");
}
