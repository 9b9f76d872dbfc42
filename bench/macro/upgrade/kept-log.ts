// SPDX-License-Identifier: Apache-2.0
/**
 * An EventLog that forgets nothing. The center forgets a report when it took effect; here the file
 * is made before the center starts, by the engine itself, with a trigger that puts aside what is
 * deleted. What was ever in the log can so be read when all is over.
 */
import { DatabaseSync } from "node:sqlite";
import { readRecord, type ReportSet } from "../../../center/ingest/report-record.ts";
import { openDirectEventLog } from "../../../engines/embedded/event-log.ts";

export async function makeKeptLog(path: string): Promise<void> {
  await openDirectEventLog({ path }).close();
  using database = new DatabaseSync(path);
  database.exec(`
    CREATE TABLE kept (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;
    CREATE TRIGGER keep AFTER DELETE ON record BEGIN
      INSERT INTO kept (id, bytes) VALUES (OLD.id, OLD.bytes);
    END;
  `);
}

/** Every record that was ever appended; after the center has stopped. */
export function* readKeptLog(path: string): Generator<ReportSet> {
  using database = new DatabaseSync(path, { readOnly: true });
  const rows = database.prepare("SELECT bytes FROM kept UNION ALL SELECT bytes FROM record");
  for (const { bytes } of rows.iterate()) yield readRecord(bytes as Uint8Array);
}
