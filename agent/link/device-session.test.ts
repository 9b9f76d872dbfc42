// SPDX-License-Identifier: Apache-2.0
/** Which codec the heartbeats of a connection have, when the first one goes, and how often. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { SILENT_LOGGER } from "../../ports/logger.ts";
import type { CodecName } from "../../protocol/device/codec-names.ts";
import { heartbeatCodec } from "../../protocol/device/heartbeat-codecs.ts";
import type { DeviceHello } from "../../protocol/device/status.ts";
import { VirtualClock } from "../../test/helpers/virtual-clock.ts";
import type { Outbox } from "../reports/outbox.ts";
import type { Connection, SendResult } from "./connection.ts";
import { DeviceSession } from "./device-session.ts";
import { HeartbeatPace } from "./heartbeat-pace.ts";

const INTERVAL_MS = 5_000;
const REFUSED: SendResult = { kind: "refused", why: "payload format invalid", isFinal: true };

/** A gateway that answers hellos when the test says so. */
class Bench {
  readonly clock = new VirtualClock();
  readonly pace = new HeartbeatPace({ clock: this.clock, logger: SILENT_LOGGER });
  /** Of the hellos, in order. */
  readonly said: CodecName[] = [];
  readonly heartbeats: Uint8Array[] = [];
  #answer: (result: SendResult) => void = () => {};
  #change: () => void = () => {};
  readonly #closed = Promise.withResolvers<string>();
  readonly #run: Promise<string>;

  constructor(codec: CodecName) {
    const connection: Connection = {
      serverKeepAliveMs: null,
      closed: this.#closed.promise,
      send: ({ channel, payload }) => {
        if (channel === "heartbeat") {
          this.heartbeats.push(payload);
          return Promise.resolve({ kind: "taken" });
        }
        this.said.push((JSON.parse(Buffer.from(payload).toString()) as DeviceHello).codec);
        const { promise, resolve } = Promise.withResolvers<SendResult>();
        this.#answer = resolve;
        return promise;
      },
      close: () => Promise.resolve(this.#closed.resolve("closed")),
    };
    let sequence = 0;
    const session = new DeviceSession({
      connection,
      codec,
      clock: this.clock,
      logger: SILENT_LOGGER,
      heartbeatIntervalMs: INTERVAL_MS,
      pace: this.pace,
      observer: { heartbeatSent: () => {}, reportAcknowledged: () => {} },
      outbox: { pending: () => [], onPending: () => () => {} } as unknown as Outbox,
      source: {
        hello: (named) => ({ protocol: 1, agent: "a/1", codec: named, inventory: {}, slots: {} }),
        heartbeat: () => ({ sequence: (sequence += 1), slots: {} }),
        onChange: (listener) => {
          this.#change = listener;
          return () => {};
        },
      },
    });
    this.#run = session.run(new AbortController().signal);
  }

  /** What runs has changed: a heartbeat is due at once. */
  change(): void {
    this.#change();
  }

  /** Resolves when the session has seen the answer. */
  async answer(result: SendResult): Promise<void> {
    this.#answer(result);
    await new Promise((resolve) => void setImmediate(resolve));
  }

  async close(): Promise<void> {
    this.#closed.resolve("closed");
    await this.#run;
  }

  /** Sequences of the heartbeats, all in this codec. */
  sequences(codec: CodecName): unknown[] {
    const read = heartbeatCodec(codec);
    return this.heartbeats.map((bytes) => (read.decode(bytes) as { sequence?: number }).sequence);
  }
}

describe("heartbeats of a session", () => {
  test("in JSON do not wait for the hello's answer", async () => {
    const bench = new Bench("json");
    bench.clock.advance(INTERVAL_MS);
    bench.change();
    assert.deepEqual([bench.said, bench.sequences("json")], [["json"], [1, 2]]);
    await bench.close();
  });

  test("in Protobuf begin when the hello is taken, at once if one is due", async () => {
    const bench = new Bench("protobuf");
    bench.change();
    bench.clock.advance(INTERVAL_MS);
    assert.equal(bench.heartbeats.length, 0);
    await bench.answer({ kind: "taken" });
    assert.deepEqual(bench.sequences("protobuf"), [1]);
    bench.clock.advance(INTERVAL_MS);
    assert.deepEqual([bench.said, bench.sequences("protobuf")], [["protobuf"], [1, 2]]);
    await bench.close();
  });

  test("wait for their turn when none is due", async () => {
    const bench = new Bench("protobuf");
    await bench.answer({ kind: "taken" });
    assert.equal(bench.heartbeats.length, 0);
    await bench.close();
  });

  test("are JSON where the gateway refuses the hello, which is said again", async () => {
    const bench = new Bench("protobuf");
    bench.change();
    await bench.answer(REFUSED);
    assert.deepEqual([bench.said, bench.heartbeats.length], [["protobuf", "json"], 0]);
    await bench.answer({ kind: "taken" });
    assert.deepEqual(bench.sequences("json"), [1]);
    await bench.close();
  });

  test("are JSON where it is not known whether the gateway has the hello", async () => {
    const bench = new Bench("protobuf");
    bench.change();
    await bench.answer({ kind: "lost" });
    assert.deepEqual([bench.said, bench.sequences("json")], [["protobuf"], [1]]);
    await bench.close();
    bench.change();
    bench.clock.advance(INTERVAL_MS);
    assert.equal(bench.heartbeats.length, 1, "nothing goes out when the connection is over");
  });
});

describe("heartbeats of a session whose gateway has too much to do", () => {
  const SLOWER = { heartbeatIntervalMs: INTERVAL_MS * 6, validMs: INTERVAL_MS * 24 };

  test("are as far apart as it says, and as usual when it says so", async () => {
    const bench = new Bench("json");
    bench.pace.take(SLOWER);
    bench.clock.advance(INTERVAL_MS * 12);
    assert.equal(bench.heartbeats.length, 2);
    bench.change();
    assert.equal(bench.heartbeats.length, 3, "what has changed is said at once");
    bench.pace.take({ heartbeatIntervalMs: INTERVAL_MS, validMs: 0 });
    bench.clock.advance(INTERVAL_MS * 2);
    assert.equal(bench.heartbeats.length, 5);
    await bench.close();
  });

  test("are as usual when it was not said again in time", async () => {
    const bench = new Bench("json");
    bench.pace.take(SLOWER);
    bench.clock.advance(INTERVAL_MS * 23);
    bench.pace.take(SLOWER);
    bench.clock.advance(INTERVAL_MS * 24);
    const slowCount = bench.heartbeats.length;
    assert.ok(slowCount <= 8, `${slowCount} in the time of 47`);
    bench.clock.advance(INTERVAL_MS * 10);
    assert.equal(bench.heartbeats.length, slowCount + 10);
    await bench.close();
  });

  test("are never more than the device would send by itself", async () => {
    const bench = new Bench("json");
    bench.pace.take({ heartbeatIntervalMs: 10, validMs: INTERVAL_MS * 10 });
    bench.clock.advance(INTERVAL_MS * 4);
    assert.equal(bench.heartbeats.length, 4);
    await bench.close();
  });

  test("are as usual on the next connection", async () => {
    const bench = new Bench("json");
    bench.pace.take(SLOWER);
    await bench.close();
    assert.equal(bench.pace.leastMs, 0);
    assert.equal(bench.clock.timerCount, 0);
  });
});
