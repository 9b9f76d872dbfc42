// SPDX-License-Identifier: Apache-2.0
/**
 * Roots of the trees over the offers of leases: two hashes a device, which is most of what an offer
 * costs a center. In production they are built in a thread (`offer-root-thread.ts`), so that the
 * rollout loop and everybody's questions do not wait for them; in simulation directly. The key
 * stays where it is: the thread knows what is offered and signs nothing.
 */
import { assert } from "../../domain/assert.ts";
import { offerRoot, type OfferColumns } from "../../protocol/device/offer-batch.ts";

export interface OfferRootCalls {
  rootOf(columns: OfferColumns): Uint8Array;
}

/** Where it is built is not the asker's business. */
export type RootOf = (columns: OfferColumns) => Promise<Uint8Array>;

export class OfferRoots implements OfferRootCalls {
  rootOf(columns: OfferColumns): Uint8Array {
    const root = offerRoot(columns);
    assert(root !== null, "a lease's columns belong together");
    return root;
  }

  close(): void {
    // Nothing is held.
  }
}
