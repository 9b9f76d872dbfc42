// SPDX-License-Identifier: Apache-2.0
import type { Json } from "../../ports/store.ts";

/** The outcome of one of doctor's checks. */
export interface CheckResult {
  readonly check: string;
  /** `warn`: works, but not as well as it should. */
  readonly result: "ok" | "warn" | "fail";
  readonly found: string;
  /** What to do; "" when all is well. */
  readonly advice: string;
  /** Figures behind it, for `-o json`, and as a table of their own. */
  readonly storage?: Json;
}

export function ok(check: string, found: string): CheckResult {
  return { check, result: "ok", found, advice: "" };
}

export function warn(check: string, found: string, advice: string): CheckResult {
  return { check, result: "warn", found, advice };
}

export function fail(check: string, found: string, advice: string): CheckResult {
  return { check, result: "fail", found, advice };
}
