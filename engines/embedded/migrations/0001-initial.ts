// SPDX-License-Identifier: Apache-2.0
/**
 * The first shape of the event log. `id` is partition × 2^44 + offset: records lie in the file in
 * reading order and need no second index. `partition` remembers the newest offset when every record
 * has been trimmed away.
 */
import type { Migration } from "../../../runtime/sqlite-migrations.ts";

export const INITIAL: Migration = {
  number: 1,
  sql: `
    CREATE TABLE partition (
      number INTEGER PRIMARY KEY,
      last_offset INTEGER NOT NULL
    ) STRICT;

    CREATE TABLE record (
      id INTEGER PRIMARY KEY,
      bytes BLOB NOT NULL
    ) STRICT;
  `,
};
