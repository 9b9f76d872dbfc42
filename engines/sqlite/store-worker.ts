// SPDX-License-Identifier: Apache-2.0
/** The thread in which the store's core runs; started by `worker-store.ts`. */
import { buffersOf, serveCalls } from "../../runtime/worker-serve.ts";
import { openStoreCore } from "./store-core.ts";
import type { StoreCoreOptions } from "./store-core.ts";

serveCalls({
  open: (options: StoreCoreOptions) => {
    const core = openStoreCore(options);
    return { core, facts: core.facts };
  },
  transferOf: buffersOf,
});
