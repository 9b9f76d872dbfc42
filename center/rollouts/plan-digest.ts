// SPDX-License-Identifier: Apache-2.0
/** Digests that make a frozen plan checkable: whoever reviewed it can tell it from any other. */
import { createHash } from "node:crypto";
import { canonicalize } from "@tufjs/canonical-json";
import type { PlacedIds } from "../../domain/plan-places.ts";

/** Ids are hashed so many bytes at a time: a call for each would cost more than the hash. */
const CHUNK_BYTES = 65_536;
const LINE_FEED = 0x0a;

/** SHA-256 (hex) over the device ids of positions `start` to `end` in order, one a line. */
export function devicesDigest(deviceIds: PlacedIds, start: number, end: number): string {
  const hash = createHash("sha256");
  const chunk = new Uint8Array(CHUNK_BYTES);
  let length = 0;
  for (let position = start; position < end; position++) {
    const id = deviceIds.bytesAt(position);
    if (length + id.length + 1 > CHUNK_BYTES) {
      hash.update(chunk.subarray(0, length));
      length = 0;
    }
    chunk.set(id, length);
    length += id.length;
    chunk[length++] = LINE_FEED;
  }
  return hash.update(chunk.subarray(0, length)).digest("hex");
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
