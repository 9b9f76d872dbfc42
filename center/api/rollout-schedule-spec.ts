// SPDX-License-Identifier: Apache-2.0
/** The part of a rollout's spec that says when: checked again, whoever sent it. */
import { formatInstant } from "../../domain/civil-time.ts";
import { MusterError } from "../../domain/errors.ts";
import type { RolloutSpec } from "../../domain/rollout.ts";
import type { RolloutSpec as WireSpec } from "../../protocol/gen/muster/v1/deploy_pb.ts";

/** The year 9999 ends here; nothing is planned behind it. */
const LAST_MS = 253_402_300_799_999n;

/** Throws `invalid_argument` at the first field that is wrong. */
export function readSchedule(wire: WireSpec): Pick<RolloutSpec, "notBeforeMs" | "expiresAtMs"> {
  const notBeforeMs = instant(wire.notBeforeMs, "spec.notBefore");
  const expiresAtMs = instant(wire.expiresAtMs, "spec.expires");
  if (expiresAtMs !== 0 && expiresAtMs <= notBeforeMs) {
    throw invalid(
      "spec.expires",
      `${formatInstant(expiresAtMs)} is not later than notBefore, ${formatInstant(notBeforeMs)}`,
    );
  }
  return { notBeforeMs, expiresAtMs };
}

/** 0 = not set. */
function instant(value: bigint, field: string): number {
  if (value >= 0n && value <= LAST_MS) return Number(value);
  throw invalid(field, `${value} is not in milliseconds since 1970`);
}

function invalid(field: string, message: string): MusterError {
  return new MusterError({ code: "invalid_argument", message, detail: { field } });
}
