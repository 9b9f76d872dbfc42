// SPDX-License-Identifier: Apache-2.0
/** The embedded event log in both of its forms, as the contract wants them. */
import { EmbeddedEventLog, openDirectEventLog } from "../../../engines/embedded/event-log.ts";
import { startEventLogThread } from "../../../engines/embedded/event-log.ts";
import type { EventLogUnderTest } from "../../../ports/contract/event-log.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { copyDatabase } from "./copy-database.ts";

const { signal } = new AbortController();

export async function openThreadLog(): Promise<EventLogUnderTest> {
  const folder = await tempDir("events");
  const options = { path: folder.join("events.db"), logger: SILENT_LOGGER, signal };
  const start = async (): Promise<[typeof thread, EmbeddedEventLog]> => {
    const started = await startEventLogThread(options);
    const { calls, facts } = started;
    return [started, new EmbeddedEventLog({ calls, partitionCount: facts.partitionCount })];
  };
  let thread: Awaited<ReturnType<typeof startEventLogThread>>;
  let log: EmbeddedEventLog;
  [thread, log] = await start();
  return {
    get log() {
      return log;
    },
    reopen: async () => {
      await log.close();
      [thread, log] = await start();
    },
    crash: async () => {
      await thread.calls.terminate();
      [thread, log] = await start();
    },
    [Symbol.asyncDispose]: async () => {
      await log.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}

/** Its crash is what would be on the disk had the process died now. */
export async function openDirectLog(): Promise<EventLogUnderTest> {
  const folder = await tempDir("events");
  let path = folder.join("0", "events.db");
  let log = openDirectEventLog({ path });
  let crashCount = 0;
  return {
    get log() {
      return log;
    },
    reopen: async () => {
      await log.close();
      log = openDirectEventLog({ path });
    },
    crash: async () => {
      crashCount += 1;
      const copy = folder.join(String(crashCount), "events.db");
      await copyDatabase(path, copy);
      await log.close();
      path = copy;
      log = openDirectEventLog({ path });
    },
    [Symbol.asyncDispose]: async () => {
      await log.close();
      await folder[Symbol.asyncDispose]();
    },
  };
}
