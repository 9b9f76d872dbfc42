// SPDX-License-Identifier: Apache-2.0
/**
 * A process that commits to a store in a loop and prints the number of each commit once it is
 * acknowledged: what a test kills. Run as a program, its argument is the database file.
 */
import { spawn } from "node:child_process";
import type { ChildProcessByStdio } from "node:child_process";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { openSqliteStore } from "../../../engines/sqlite/worker-store.ts";
import { TickingClock } from "../../../ports/contract/helpers.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";

/** Commit n writes document `default/n` and an audit entry with that subject. */
async function commitForEver(path: string): Promise<void> {
  const { signal } = new AbortController();
  const clock = new TickingClock(0);
  const store = await openSqliteStore({ path, clock, logger: SILENT_LOGGER, signal });
  const found = await store.commit({}, { signal });
  if (!found.ok) throw new Error("a commit of nothing was refused");
  const who = { tenant: "default", actor: "system:test", action: "setting.write", reason: "" };
  for (let number = found.auditSequence; ; number += 1) {
    const key = `default/${String(number).padStart(6, "0")}`;
    const result = await store.commit(
      {
        documents: [{ kind: "setting", key, expectedRevision: 0, value: "x".repeat(3_000) }],
        audit: [{ ...who, subject: key, detail: number }],
      },
      { signal },
    );
    if (!result.ok) throw new Error(`commit ${number} was refused: ${result.at}`);
    process.stdout.write(`${number}\n`);
  }
}

/** Starts it as a process of its own. */
export function startCommitter(
  path: string,
  environment: NodeJS.ProcessEnv = {},
): ChildProcessByStdio<null, Readable, null> {
  return spawn(process.execPath, [fileURLToPath(import.meta.url), path], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...environment },
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await commitForEver(process.argv[2] ?? "");
}
