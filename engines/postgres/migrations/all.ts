// SPDX-License-Identifier: Apache-2.0
/** Every migration of the store, in order. New ones are added at the end; none is changed. */
import { INITIAL } from "./0001-initial.ts";
import type { Migration } from "./migration.ts";

export const STORE_MIGRATIONS: readonly Migration[] = [INITIAL];
