// SPDX-License-Identifier: Apache-2.0
import { MusterError } from "../../domain/errors.ts";

/** The promise, or `deadline_exceeded` when the signal aborts first. */
export async function untilAborted<Value>(
  promise: Promise<Value>,
  signal: AbortSignal,
): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => {
    const message = "the artifact is still being fetched from the center";
    reject(new MusterError({ code: "deadline_exceeded", message }));
  };
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
