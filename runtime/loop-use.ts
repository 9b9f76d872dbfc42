// SPDX-License-Identifier: Apache-2.0
/** How busy this process's event loop is. */
import { performance, type EventLoopUtilization } from "node:perf_hooks";

export class LoopUse {
  #before: EventLoopUtilization = performance.eventLoopUtilization();

  /** Part of the time since the last call in which the loop did not wait for work, from 0 to 1. */
  sinceLast(): number {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, this.#before);
    this.#before = now;
    return utilization;
  }
}
