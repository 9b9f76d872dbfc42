// SPDX-License-Identifier: Apache-2.0
/**
 * The promise, or a rejection as soon as the signal aborts: with the signal's reason unless
 * `reason` makes another. What the promise stands for goes on.
 */
export async function orAborted<Value>(
  promise: Promise<Value>,
  signal: AbortSignal,
  reason: () => unknown = () => signal.reason,
): Promise<Value> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = (): void => reject(reason());
  if (signal.aborted) onAbort();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
