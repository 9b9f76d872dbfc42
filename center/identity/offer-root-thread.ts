// SPDX-License-Identifier: Apache-2.0
/** Starts the thread that builds the trees over offers (`offer-roots.ts`). */
import { siblingModule, startWorker, type WorkerCall } from "../../runtime/worker-call.ts";
import type { OfferRootCalls } from "./offer-roots.ts";

/** Leases of one cycle of the rollout loop: 16 million devices at 1,000 a lease. */
const MAX_PENDING_CALLS = 16_384;
/** It holds one lease's columns at a time. */
const MAX_YOUNG_MEBIBYTES = 4;

export async function startOfferRootThread(
  signal: AbortSignal,
): Promise<WorkerCall<OfferRootCalls>> {
  const { calls } = await startWorker<OfferRootCalls, null>({
    name: "offer-roots",
    module: siblingModule("offer-root-worker", import.meta.url),
    data: null,
    maxPendingCalls: MAX_PENDING_CALLS,
    maxYoungMebibytes: MAX_YOUNG_MEBIBYTES,
    signal,
  });
  return calls;
}
