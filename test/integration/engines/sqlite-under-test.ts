// SPDX-License-Identifier: Apache-2.0
/**
 * The SQLite store in both of its forms, as the contract wants them. A crash of the thread ends it
 * between two of its steps. A crash of the direct form is what would be on the disk had the process
 * died now: a copy of the files, taken without closing.
 */
import { openDirectSqliteStore } from "../../../engines/sqlite/direct-store.ts";
import { RowStore } from "../../../runtime/row-store.ts";
import { startStoreThread } from "../../../engines/sqlite/worker-store.ts";
import type { Clock } from "../../../ports/clock.ts";
import type { StoreUnderTest } from "../../../ports/contract/store-harness.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { copyDatabase } from "./copy-database.ts";

const { signal } = new AbortController();

export async function openThreadStore({ clock }: { clock: Clock }): Promise<StoreUnderTest> {
  const folder = await tempDir("store");
  const path = folder.join("store.db");
  const logger = SILENT_LOGGER;
  let thread = await startStoreThread({ path, clock, logger, signal });
  let store = new RowStore({ calls: thread.calls, clock });
  const start = async (): Promise<void> => {
    thread = await startStoreThread({ path, clock, logger, signal });
    store = new RowStore({ calls: thread.calls, clock });
  };
  return {
    get store() {
      return store;
    },
    reopen: async () => {
      await store.close();
      await start();
    },
    crash: async () => {
      await thread.calls.terminate();
      await start();
    },
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

export async function openDirectStore({ clock }: { clock: Clock }): Promise<StoreUnderTest> {
  const folder = await tempDir("store");
  let path = folder.join("0", "store.db");
  let store = openDirectSqliteStore({ path, clock });
  let crashCount = 0;
  return {
    get store() {
      return store;
    },
    reopen: async () => {
      await store.close();
      store = openDirectSqliteStore({ path, clock });
    },
    crash: async () => {
      crashCount += 1;
      const copy = folder.join(String(crashCount), "store.db");
      await copyDatabase(path, copy);
      await store.close();
      path = copy;
      store = openDirectSqliteStore({ path, clock });
    },
    [Symbol.asyncDispose]: async () => {
      await store.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
