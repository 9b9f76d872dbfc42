// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import { WorkerPool } from "./worker-pool.ts";
import type { WorkerFacts, WorkerPorts, WorkerProcess } from "./worker-process.ts";

const NOTHING: WorkerFacts = { metrics: [], notReady: [], cpuSeconds: 0, sessionCount: 0 };
const PORTS: WorkerPorts = { mqttsPort: 8_883 };

class FakeWorker implements WorkerProcess {
  readonly worker: number;
  readonly given: WorkerPorts | null;
  readonly #ready = Promise.withResolvers<WorkerPorts>();
  readonly #ended = Promise.withResolvers<string>();
  facts: WorkerFacts | null = NOTHING;
  stopCount = 0;
  readonly ticketKeys: Uint8Array[] = [];
  readonly parts: number[] = [];
  readonly pid: number;

  constructor(worker: number, given: WorkerPorts | null) {
    this.worker = worker;
    this.pid = 1_000 + worker;
    this.given = given;
    this.#ready.promise.catch(() => {});
  }

  get ready(): Promise<WorkerPorts> {
    return this.#ready.promise;
  }

  get ended(): Promise<string> {
    return this.#ended.promise;
  }

  ask(): Promise<WorkerFacts | null> {
    return Promise.resolve(this.facts);
  }

  makeRoom(part: number): void {
    this.parts.push(part);
  }

  /** Ends at once, as one that holds nothing does. */
  stop(): void {
    this.stopCount += 1;
    this.end("SIGTERM");
  }

  useTicketKeys(keys: Uint8Array): void {
    this.ticketKeys.push(keys);
  }

  open(): void {
    this.#ready.resolve(PORTS);
  }

  end(how: string): void {
    this.#ready.reject(new Error(how));
    this.#ended.resolve(how);
  }
}

interface Bench {
  readonly pool: WorkerPool;
  readonly clock: VirtualClock;
  /** Every process that was launched, in order. */
  readonly launched: FakeWorker[];
}

/** `opens`: whether the n-th launch becomes ready. */
function bench(count: number, opens: (launch: number) => boolean = () => true): Bench {
  const clock = new VirtualClock();
  const launched: FakeWorker[] = [];
  const launch = (worker: number, ports: WorkerPorts | null): WorkerProcess => {
    const process = new FakeWorker(worker, ports);
    launched.push(process);
    if (opens(launched.length)) process.open();
    else process.end("exit status 1");
    return process;
  };
  return { pool: new WorkerPool({ count, launch, clock, logger: SILENT_LOGGER }), clock, launched };
}

/** Lets everything happen that waits for no clock. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

describe("the workers of a gateway", () => {
  test("share the ports that the first one took", async () => {
    const { pool, launched } = bench(3);
    assert.deepEqual(await pool.start(), PORTS);
    assert.deepEqual(
      launched.map(({ worker, given }) => [worker, given]),
      [
        [1, null],
        [2, PORTS],
        [3, PORTS],
      ],
    );
    assert.deepEqual(await pool.notReady(), []);
  });

  test("are none when one cannot start", async () => {
    const { pool, launched } = bench(3, (launch) => launch !== 2);
    await assert.rejects(pool.start(), {
      code: "unavailable",
      message: /^worker 2 of the gateway/,
    });
    assert.deepEqual(
      launched.map(({ stopCount }) => stopCount),
      [1, 1, 1],
    );
  });

  test("are started again at once, then ever later, at once after a stable minute", async () => {
    const { pool, clock, launched } = bench(1, (launch) => launch === 1 || launch > 8);
    await pool.start();
    const startsAtMs: number[] = [];
    launched[0]?.end("SIGKILL");
    for (let atMs = 0, seen = 1; launched.length < 9; atMs += 500) {
      await settle();
      for (; seen < launched.length; seen += 1) startsAtMs.push(atMs);
      if (launched.length < 9) clock.advance(500);
    }
    const pauses = startsAtMs.slice(1).map((atMs, index) => atMs - (startsAtMs[index] ?? 0));
    assert.deepEqual(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000]);
    assert.deepEqual(await pool.notReady(), []);
    clock.advance(61_000);
    launched.at(-1)?.end("SIGKILL");
    await settle();
    clock.advance(0);
    await settle();
    assert.equal(launched.length, 10);
  });

  test("say which of them is not ready, and why", async () => {
    const { pool, launched } = bench(3, (launch) => launch !== 4);
    await pool.start();
    (launched[0] as FakeWorker).facts = null;
    (launched[1] as FakeWorker).facts = { ...NOTHING, notReady: ["no center"] };
    launched[2]?.end("SIGKILL");
    await settle();
    const reasons = ["worker 1 does not answer", "worker 2: no center", "worker 3 is starting"];
    assert.deepEqual(await pool.notReady(), reasons);
    await pool.stop();
  });

  test("are replaced one after the other, the next when the one before is ready", async () => {
    const { pool, clock, launched } = bench(2);
    await pool.start();
    const replaced = pool.replaceAll();
    await settle();
    assert.deepEqual(
      launched.map(({ stopCount }) => stopCount),
      [1, 0],
      "the second waits",
    );
    for (let turn = 0; launched.length < 4 && turn < 100; turn += 1) {
      clock.advance(50);
      await settle();
    }
    clock.advance(50);
    await replaced;
    assert.deepEqual(
      launched.map(({ worker, stopCount }) => [worker, stopCount]),
      [
        [1, 1],
        [2, 1],
        [1, 0],
        [2, 0],
      ],
    );
  });

  test("are replaced when the devices of the one before are back, or after a minute", async () => {
    const { pool, clock, launched } = bench(3);
    const has = (launch: number, sessionCount: number): void => {
      (launched[launch - 1] as FakeWorker).facts = { ...NOTHING, sessionCount };
    };
    const isStopped = (launch: number): boolean => launched[launch - 1]?.stopCount === 1;
    const pass = async (seconds: number): Promise<void> => {
      for (let turn = 0; turn < seconds * 20; turn += 1) {
        clock.advance(50);
        await settle();
      }
    };
    await pool.start();
    for (const launch of [1, 2, 3]) has(launch, 100);
    const replaced = pool.replaceAll();
    await settle();
    assert.deepEqual([isStopped(1), isStopped(2)], [true, false]);
    await pass(10);
    has(4, 84);
    await pass(10);
    assert.equal(isStopped(2), false, "284 of 300 are fewer than 95 %");
    has(4, 85);
    await pass(2);
    assert.deepEqual([isStopped(2), isStopped(3)], [true, false]);
    await pass(57);
    assert.equal(isStopped(3), false);
    await pass(5);
    assert.equal(isStopped(3), true, "the others do not come back: nobody waits any longer");
    await pass(5);
    await pool.stop();
    await replaced;
  });

  test("have the same ticket keys, also who comes later, and others when told", async () => {
    const { pool, clock, launched } = bench(2);
    const [first, second] = [Uint8Array.of(1), Uint8Array.of(2)];
    pool.useTicketKeys(first);
    await pool.start();
    pool.useTicketKeys(second);
    launched[0]?.end("SIGKILL");
    await settle();
    clock.advance(0);
    await settle();
    assert.deepEqual(
      launched.map(({ ticketKeys }) => ticketKeys),
      [[first, second], [first, second], [second]],
    );
  });

  test("are one more, to which each of the others hands its share", async () => {
    const { pool, launched } = bench(2);
    await pool.start();
    await pool.grow();
    assert.equal(pool.count, 3);
    assert.deepEqual(
      launched.map(({ worker, given, parts }) => [worker, given, parts]),
      [
        [1, null, [1 / 3]],
        [2, PORTS, [1 / 3]],
        [3, PORTS, []],
      ],
    );
    assert.deepEqual(
      (await pool.facts()).map(({ pid }) => pid),
      [1_001, 1_002, 1_003],
    );
    launched[2]?.end("SIGKILL");
    await settle();
    assert.equal(
      launched.length,
      3,
      "after its first pause it is started again, as the others are",
    );
    await pool.stop();
  });

  test("stay as many as they are when one more cannot start", async () => {
    const { pool, clock, launched } = bench(1, (launch) => launch === 1);
    await pool.start();
    await pool.grow();
    assert.equal(pool.count, 1);
    assert.deepEqual(launched[0]?.parts, [], "nobody hands devices to nobody");
    clock.advance(60_000);
    await settle();
    assert.equal(launched.length, 2);
  });

  test("are one less, which does not come back, and never none", async () => {
    const { pool, clock, launched } = bench(2);
    await pool.start();
    await pool.shrink();
    await pool.shrink();
    clock.advance(60_000);
    await settle();
    assert.equal(pool.count, 1);
    assert.deepEqual(
      launched.map(({ stopCount }) => stopCount),
      [0, 1],
    );
  });

  test("stop together, and none comes back", async () => {
    const { pool, clock, launched } = bench(2);
    await pool.start();
    await pool.stop();
    clock.advance(120_000);
    await settle();
    assert.equal(launched.length, 2);
  });
});
