// SPDX-License-Identifier: Apache-2.0
/** The thread in which the trees over offers are built; started by `offer-root-thread.ts`. */
import { serveCalls } from "../../runtime/worker-serve.ts";
import { OfferRoots } from "./offer-roots.ts";

serveCalls({
  open: () => ({ core: new OfferRoots(), facts: null }),
  transferOf: () => [],
});
