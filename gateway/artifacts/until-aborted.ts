// SPDX-License-Identifier: Apache-2.0
import { MusterError } from "../../domain/errors.ts";
import { orAborted } from "../../runtime/or-aborted.ts";

/** The promise, or `deadline_exceeded` when the signal aborts first. */
export function untilAborted<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return orAborted(promise, signal, () => {
    const message = "the artifact is still being fetched from the center";
    return new MusterError({ code: "deadline_exceeded", message });
  });
}
