// SPDX-License-Identifier: Apache-2.0
/** One turn of the event loop: what was written to a pipe in memory has arrived. No clock in it. */
import { setImmediate } from "node:timers/promises";

export function turn(): Promise<void> {
  return setImmediate();
}
