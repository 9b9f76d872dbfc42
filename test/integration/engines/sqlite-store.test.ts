// SPDX-License-Identifier: Apache-2.0
import { storeContract } from "../../../ports/contract/store.ts";
import { openDirectStore, openThreadStore } from "./sqlite-under-test.ts";

storeContract({ name: "SQLite on the caller's thread", open: openDirectStore });
storeContract({ name: "SQLite in a worker thread", open: openThreadStore });
