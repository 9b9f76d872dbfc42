// SPDX-License-Identifier: Apache-2.0
/** Three brokers, of which the leader of the partition is killed while appends are under way. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { KafkaCluster } from "../../../engines/kafka/cluster.ts";
import { parseKafkaLogUrl } from "../../../engines/kafka/log-url.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { startKafka } from "../../../scripts/servers/kafka.ts";
import { until } from "../../helpers/until.ts";
import { newTopic, openLog } from "./kafka-under-test.ts";

const { signal } = new AbortController();
const APPENDERS = 20;
const APPENDS_AT_KILL = 500;
const APPENDS = 4_000;

/** Kafka's id of the broker that leads partition 0. */
async function leaderOf(url: string): Promise<number> {
  const cluster = new KafkaCluster({
    url: parseKafkaLogUrl(url),
    settings: {},
    clock: systemClock,
  });
  const topology = await cluster.topology();
  await cluster.close();
  const [leader] = topology.leaders;
  assert(leader !== undefined && leader !== null);
  return leader.node;
}

describe("a cluster of three brokers", () => {
  test("loses its leader: nothing acknowledged is lost, order holds", async (context) => {
    await using server = await startKafka({ nodeCount: 3 });
    const url = server.url(newTopic(), "partitions=1");
    await using log = await openLog(url);
    const acknowledged = new Set<string>();
    let next = 0;
    /** Appends again what failed, as a gateway does. */
    const appendSome = async (): Promise<void> => {
      while (next < APPENDS) {
        const text = String(next++);
        const records = [{ partition: 0, bytes: Buffer.from(text) }];
        while (
          !(await log.append(records, { signal }).then(
            () => true,
            () => false,
          ))
        );
        acknowledged.add(text);
      }
    };
    const appending = Promise.all(Array.from({ length: APPENDERS }, appendSome));
    const isUnderWay = (): boolean => acknowledged.size >= APPENDS_AT_KILL;
    await until("appends are under way", isUnderWay, { timeoutMs: 60_000, signal });
    const leader = await leaderOf(url);
    const killedAtMs = systemClock.monotonicMs();
    const before = acknowledged.size;
    await server.nodes[leader - 1]?.kill();
    const goesOn = (): boolean => acknowledged.size > before + APPENDERS;
    await until("appends go on", goesOn, { timeoutMs: 60_000, signal });
    const gapMs = systemClock.monotonicMs() - killedAtMs;
    assert.notEqual(await leaderOf(url), leader);
    await appending;
    const found = new Map<string, number>();
    let duplicateCount = 0;
    let lastFirst = -1;
    for (let afterOffset = 0; ;) {
      const records = await log.read(0, { afterOffset, limit: 1_000, signal });
      if (records.length === 0) break;
      for (const { bytes, offset } of records) {
        assert(offset > afterOffset);
        afterOffset = offset;
        const text = Buffer.from(bytes).toString();
        if (found.has(text)) duplicateCount += 1;
        else assert(Number(text) > lastFirst, "records are in the order of their appends");
        if (!found.has(text)) lastFirst = Number(text);
        found.set(text, offset);
      }
    }
    for (const text of acknowledged) assert(found.has(text), `acknowledged ${text} is lost`);
    assert.equal(found.size, APPENDS);
    context.diagnostic(
      `0 of ${APPENDS} lost, ${duplicateCount} doubled, ${Math.round(gapMs)} ms without a leader`,
    );
    await server.nodes[leader - 1]?.start();
    await log.append([{ partition: 0, bytes: Buffer.from("last") }], { signal });
  });
});
