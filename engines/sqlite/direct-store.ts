// SPDX-License-Identifier: Apache-2.0
/** The store of simulation and unit tests: the same core on the caller's thread, in call order. */
import type { Clock } from "../../ports/clock.ts";
import { DirectCall } from "../../runtime/call-port.ts";
import { RowStore } from "../../runtime/row-store.ts";
import { openStoreCore } from "./store-core.ts";
import type { StoreCoreOptions } from "./store-core.ts";

/** `path` `:memory:` keeps everything in memory. Throws what `openSqliteStore` throws. */
export function openDirectSqliteStore(options: StoreCoreOptions & { clock: Clock }): RowStore {
  const { clock, ...coreOptions } = options;
  const core = openStoreCore(coreOptions);
  return new RowStore({ calls: new DirectCall({ name: "store", core }), clock });
}
