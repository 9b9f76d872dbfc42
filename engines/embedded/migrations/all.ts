// SPDX-License-Identifier: Apache-2.0
/** Every migration of the event log, in order. New ones are added at the end; none is changed. */
import type { Migration } from "../../../runtime/sqlite-migrations.ts";
import { INITIAL } from "./0001-initial.ts";

export const EVENT_LOG_MIGRATIONS: readonly Migration[] = [INITIAL];
