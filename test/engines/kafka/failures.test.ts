// SPDX-License-Identifier: Apache-2.0
/** What only a log on a server can suffer: it is not there, not as expected, or shared. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { isMusterError } from "../../../domain/errors.ts";
import { rejectsWith } from "../../../ports/contract/helpers.ts";
import { startKafka, type KafkaServer } from "../../../scripts/servers/kafka.ts";
import { until } from "../../helpers/until.ts";
import { newTopic, openLog } from "./kafka-under-test.ts";

const { signal } = new AbortController();
const RECORDS = 200;

let server: KafkaServer;

before(async () => {
  server = await startKafka();
});

after(() => server[Symbol.asyncDispose]());

function record(text: string): { partition: number; bytes: Uint8Array }[] {
  return [{ partition: 0, bytes: Buffer.from(text) }];
}

describe("a topic", () => {
  test("of another partition count than the URL says is refused", async () => {
    const topic = newTopic();
    await using log = await openLog(server.url(topic, "replication=1&partitions=5"));
    assert.equal(log.partitionCount, 5);
    await using again = await openLog(server.url(topic));
    assert.equal(again.partitionCount, 5);
    await assert.rejects(openLog(server.url(topic, "replication=1&partitions=6")), (error) => {
      assert(isMusterError(error));
      assert.equal(error.code, "failed_precondition");
      assert.match(error.message, /^cannot use kafka:\/\/.*\/test-\d+ as the event log: /);
      assert.match(error.message, /the topic has 5 partitions, not 6$/);
      return true;
    });
  });

  test("of more copies than there are brokers cannot be made", async () => {
    await assert.rejects(openLog(server.url(newTopic(), "replication=3")), (error) => {
      assert(isMusterError(error));
      assert.equal(error.code, "failed_precondition");
      assert.match(error.message, /cannot be made with replication=3$/);
      assert.match(error.detail.hint ?? "", /start more brokers/);
      return true;
    });
  });

  test("that ends before what was read says that it lost records", async () => {
    await using log = await openLog(server.url(newTopic()));
    await log.append(record("a"), { signal });
    await rejectsWith(log.read(0, { afterOffset: 2, limit: 1, signal }), "corrupt");
  });
});

describe("a broker that is not there", () => {
  test("at the start is one clear error that names hosts and topic", async () => {
    const closed = createServer();
    closed.listen(0, "127.0.0.1");
    await once(closed, "listening");
    const address = closed.address();
    assert(typeof address === "object" && address !== null);
    closed.close();
    await assert.rejects(openLog(`kafka://127.0.0.1:${address.port}/reports`), (error) => {
      assert(isMusterError(error));
      assert.equal(error.code, "unavailable");
      const form = /^cannot open kafka:\/\/127\.0\.0\.1:\d+\/reports: connect ECONNREFUSED/;
      assert.match(error.message, form);
      return true;
    });
  });

  test("later: reads fail soon, appends wait; all is there when it is back", async () => {
    const [broker] = server.nodes;
    assert(broker !== undefined);
    await using log = await openLog(server.url(newTopic()));
    const acknowledged: number[] = [];
    const append = async (number: number): Promise<void> => {
      await log.append(record(String(number)), { signal });
      acknowledged.push(number);
    };
    const first = Array.from({ length: RECORDS }, (_, number) => append(number));
    await first[0];
    await broker.kill();
    const second = Array.from({ length: RECORDS }, (_, number) => append(RECORDS + number));
    await rejectsWith(log.read(0, { afterOffset: 0, limit: 1, signal }), "unavailable");
    await rejectsWith(log.trim(0, 1, { signal }), "unavailable");
    const controller = new AbortController();
    const given = log.append(record("given up"), { signal: controller.signal });
    controller.abort(new Error("gave up"));
    await assert.rejects(given, /gave up/);
    await broker.start();
    await Promise.all([...first, ...second]);
    const found = await texts(log);
    assert.deepEqual(
      found,
      Array.from({ length: 2 * RECORDS }, (_, index) => String(index)),
    );
    assert.equal(acknowledged.length, 2 * RECORDS);
  });
});

describe("two processes on one topic", () => {
  test("each sees what the other appends, and a wait ends with it", async () => {
    const url = server.url(newTopic());
    await using log = await openLog(url);
    await log.waitForAppend({ signal });
    const waited = log.waitForAppend({ signal: AbortSignal.timeout(30_000) });
    let hasEnded = false;
    void waited.then(() => (hasEnded = true));
    const main = fileURLToPath(new URL("append-main.ts", import.meta.url));
    const child = spawn(process.execPath, [main, url, "from the other"], { stdio: "inherit" });
    const [status] = (await once(child, "exit")) as [number | null];
    assert.equal(status, 0);
    await until("the wait has ended", () => hasEnded, { timeoutMs: 10_000, signal });
    assert.deepEqual(await texts(log), ["from the other"]);
    await log.append(record("from this one"), { signal });
    assert.deepEqual(await texts(log), ["from the other", "from this one"]);
  });
});

async function texts(log: Awaited<ReturnType<typeof openLog>>): Promise<string[]> {
  const found: string[] = [];
  for (let afterOffset = 0; ;) {
    const records = await log.read(0, { afterOffset, limit: 1_000, signal });
    if (records.length === 0) return found;
    found.push(...records.map(({ bytes }) => Buffer.from(bytes).toString()));
    afterOffset = records.at(-1)?.offset ?? afterOffset;
  }
}
