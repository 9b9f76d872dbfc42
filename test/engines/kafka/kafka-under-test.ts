// SPDX-License-Identifier: Apache-2.0
/**
 * The Kafka event log as the contract wants it: a topic of its own for each test. A crash is the
 * broker's: killed with -9 in the midst of what it does, and started again.
 */
import { openKafkaEventLog, type KafkaEventLog } from "../../../engines/kafka/event-log.ts";
import type { EventLogUnderTest } from "../../../ports/contract/event-log.ts";
import { SILENT_LOGGER } from "../../../ports/logger.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import type { KafkaServer } from "../../../scripts/servers/kafka.ts";

const { signal } = new AbortController();

let topicCount = 0;

/** Of nobody else. */
export function newTopic(): string {
  return `test-${++topicCount}`;
}

export function openLog(url: string): Promise<KafkaEventLog> {
  return openKafkaEventLog({ url, clock: systemClock, logger: SILENT_LOGGER, signal });
}

export async function openLogOn(server: KafkaServer): Promise<EventLogUnderTest> {
  const url = server.url(newTopic());
  let log = await openLog(url);
  return {
    get log() {
      return log;
    },
    reopen: async () => {
      await log.close();
      log = await openLog(url);
    },
    crash: async () => {
      await Promise.all(server.nodes.map((node) => node.kill()));
      await Promise.all(server.nodes.map((node) => node.start()));
    },
    [Symbol.asyncDispose]: () => log.close(),
  };
}
