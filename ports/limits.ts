// SPDX-License-Identifier: Apache-2.0
/** How a port says that an argument is over a stated limit; the engines of all ports say it so. */
import assert from "node:assert/strict";
import { MusterError } from "../domain/errors.ts";

/** Throws `too_large` when more is asked for than a call may return. */
export function checkLimit(what: string, limit: number, most: number): void {
  assert(Number.isInteger(limit) && limit > 0, `a limit of ${limit} ${what} makes no sense`);
  checkCount(what, limit, most);
}

/** Throws `too_large` when there are more than `most`. */
export function checkCount(what: string, count: number, most: number): void {
  if (count <= most) return;
  throw new MusterError({
    code: "too_large",
    message: `${count} ${what} are more than the limit of ${most}`,
    detail: { hint: "ask for them in several calls" },
  });
}

/** Throws `too_large` when something is longer than `most` bytes. */
export function checkBytes(place: string, byteCount: number, most: number): void {
  if (byteCount <= most) return;
  throw new MusterError({
    code: "too_large",
    message: `${place} is ${byteCount} bytes long, more than the limit of ${most}`,
  });
}
