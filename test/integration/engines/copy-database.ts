// SPDX-License-Identifier: Apache-2.0
/** What a crash leaves of a SQLite database, taken without the help of SQLite. */
import { existsSync } from "node:fs";
import { copyFile, mkdir } from "node:fs/promises";
import { dirname } from "node:path";

/** A database's files as they lie there, its WAL included. */
export async function copyDatabase(from: string, to: string): Promise<void> {
  await mkdir(dirname(to), { recursive: true });
  for (const suffix of ["", "-wal"]) {
    if (existsSync(`${from}${suffix}`)) await copyFile(`${from}${suffix}`, `${to}${suffix}`);
  }
}
