// SPDX-License-Identifier: Apache-2.0
/** How long a gateway waits before it tries the center again. */
import type { Random } from "../../ports/random.ts";

const BASE_MS = 500;
/** Devices wait for their reports' acknowledgement: a center that is back is found soon. */
const CAP_MS = 10_000;

/** Full jitter: uniform in [0, min(cap, base × 2^attempt)): gateways do not come all at once. */
export function backOffMs(random: Random, attempt: number): number {
  return random.next() * Math.min(CAP_MS, BASE_MS * 2 ** Math.min(attempt, 16));
}
