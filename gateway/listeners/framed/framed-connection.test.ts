// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { FRAME_BYTES_MAX } from "../../../protocol/framed/frame-decoder.ts";
import { GoodbyeReason } from "../../../protocol/gen/muster/v1/framed_pb.ts";
import { IntakeResult } from "../../pipeline/intake-result.ts";
import { MAX_HELD_MESSAGES } from "../../sessions/ack-queue.ts";
import { MAX_IN_FLIGHT } from "../../sessions/delivery-window.ts";
import { SLOW_CONSUMER_MS } from "../../sessions/slow-consumers.ts";
import type { FramedConnection } from "./framed-connection.ts";
import { FramedBench, message } from "./testing/framed-bench.ts";

function greeted(bench: FramedBench): FramedConnection {
  const connection = bench.open();
  bench.send(connection, { hello: message(1) });
  return connection;
}

function goodbye(reason: GoodbyeReason, detail = ""): object {
  return { goodbye: { reason, detail, server: "" } };
}

describe("a connection of framed TCP", () => {
  test("begins a session with a hello, and answers it", () => {
    const bench = new FramedBench();
    const connection = bench.open();
    assert.equal(bench.table.openCount, 0);
    const answers = bench.send(connection, { hello: message(1, "hi") });
    assert.deepEqual(answers, [
      { terms: { keepAliveMs: 10_000 } },
      { acknowledgement: { id: 1, refusal: "" } },
    ]);
    assert.deepEqual(bench.taken, [{ channel: "hello", text: "hi", ticket: 0 }]);
    assert.equal(bench.table.slotOfDevice("default/pump-1"), connection.slot);
    assert.equal(bench.readyCount, 1);
  });

  test("ends where the first frame is none", () => {
    const bench = new FramedBench();
    const answers = bench.send(bench.open(), { ping: { number: 1 } });
    const fault = "the first frame is no hello";
    assert.deepEqual(answers, [goodbye(GoodbyeReason.PROTOCOL, fault)]);
    assert.equal(bench.isDestroyed, true);
    assert.equal(bench.table.takenCount, 0);
  });

  test("turns a certificate away that is no device's", () => {
    const bench = new FramedBench();
    const gateway = { role: "gateway", region: "eu", gateway: "gw-1" } as const;
    for (const peer of [null, { identity: gateway, serial: "0b" }]) {
      bench.isDestroyed = false;
      bench.open(peer);
      const fault = "the certificate does not name a device";
      assert.deepEqual(bench.frames(), [goodbye(GoodbyeReason.NOT_AUTHORIZED, fault)]);
      assert.equal(bench.isDestroyed, true);
      assert.equal(bench.table.takenCount, 0);
    }
  });

  test("says so where every place is taken", () => {
    const bench = new FramedBench();
    while (bench.table.takenCount < bench.table.maxSlots) bench.open();
    bench.open();
    assert.deepEqual(bench.frames(), [goodbye(GoodbyeReason.FULL)]);
  });

  test("names a gateway that has room where this one has enough devices", () => {
    const bench = new FramedBench();
    bench.redirects.limit = 0;
    bench.redirects.places.push("10.0.0.2:8884");
    const [last] = bench.send(bench.open(), { hello: message(1) });
    assert.equal(last?.goodbye?.reason, GoodbyeReason.FULL);
    assert.equal(last.goodbye.server, "10.0.0.2:8884");
    assert.equal(bench.table.takenCount, 0);
  });

  test("waits for the hello for 10 s, whatever else comes", () => {
    const bench = new FramedBench();
    const connection = bench.open();
    bench.clock.advance(9_000);
    connection.receive(Buffer.of(0, 0));
    bench.clock.advance(1_500);
    assert.deepEqual(bench.frames(), [goodbye(GoodbyeReason.SILENT)]);
    assert.equal(bench.table.takenCount, 0);
  });

  test("ends after 30 s without a whole frame; half of one is none", () => {
    const bench = new FramedBench(600_000);
    const connection = greeted(bench);
    bench.clock.advance(29_000);
    assert.deepEqual(bench.send(connection, { pong: { number: 0 } }), []);
    const half = bench.bytes({ log: message(0, "a line") });
    for (const byte of half.subarray(0, -1)) {
      bench.clock.advance(1_500);
      connection.receive(Buffer.of(byte));
    }
    bench.clock.advance(29_900 - 1_500 * (half.length - 1));
    assert.deepEqual(bench.closed, []);
    bench.clock.advance(500);
    assert.deepEqual(bench.closed, ["silent"]);
    assert.deepEqual(bench.frames(), [goodbye(GoodbyeReason.SILENT)]);
  });

  test("keeps to the silence limit of presence where that is shorter", () => {
    const bench = new FramedBench();
    greeted(bench);
    bench.clock.advance(14_900);
    assert.deepEqual(bench.closed, []);
    bench.clock.advance(500);
    assert.deepEqual(bench.closed, ["silent"]);
  });

  test("answers a ping with its number", () => {
    const bench = new FramedBench();
    const connection = greeted(bench);
    assert.deepEqual(bench.send(connection, { ping: { number: 7 } }), [{ pong: { number: 7 } }]);
  });

  test("passes over what it does not know", () => {
    const bench = new FramedBench();
    const connection = greeted(bench);
    connection.receive(Buffer.from("0000000000000003a20600", "hex"));
    assert.deepEqual(bench.send(connection, { ping: { number: 1 } }), [{ pong: { number: 1 } }]);
  });

  test("answers a report when it is durable, and what comes behind it then", () => {
    const bench = new FramedBench();
    const connection = greeted(bench);
    bench.result = IntakeResult.Held;
    assert.deepEqual(bench.send(connection, { report: message(300) }), []);
    bench.result = IntakeResult.Taken;
    assert.deepEqual(bench.send(connection, { heartbeat: message(4) }), []);
    assert.deepEqual(bench.send(connection, { heartbeat: message(0) }), []);
    const ticket = bench.taken.find(({ channel }) => channel === "report")?.ticket ?? -1;
    connection.acknowledge(ticket);
    assert.deepEqual(bench.frames(), [
      { acknowledgement: { id: 300, refusal: "" } },
      { acknowledgement: { id: 4, refusal: "" } },
    ]);
  });

  test("says what is wrong with a message that is none", () => {
    const bench = new FramedBench();
    const connection = greeted(bench);
    bench.result = IntakeResult.Malformed;
    const answers = bench.send(connection, { heartbeat: message(0xffff) });
    assert.deepEqual(answers, [{ acknowledgement: { id: 0xffff, refusal: "it is none" } }]);
    assert.deepEqual(bench.send(connection, { heartbeat: message(0) }), []);
  });

  test("ends where an id is used twice at a time, or too large", () => {
    for (const id of [5, 0x1_0000]) {
      const bench = new FramedBench();
      const connection = greeted(bench);
      bench.result = IntakeResult.Held;
      bench.send(connection, { report: message(5) });
      const [answer] = bench.send(connection, { report: message(id) });
      assert.equal(answer?.goodbye?.reason, GoodbyeReason.PROTOCOL);
      assert.match(answer?.goodbye?.detail ?? "", new RegExp(String(id)));
    }
  });

  test("holds 32 messages, and ends at the next one", () => {
    const bench = new FramedBench();
    const connection = greeted(bench);
    bench.result = IntakeResult.Held;
    for (let id = 1; id <= MAX_HELD_MESSAGES; id += 1) {
      assert.deepEqual(bench.send(connection, { report: message(id) }), []);
    }
    const answers = bench.send(connection, { report: message(100) });
    assert.deepEqual(answers, [goodbye(GoodbyeReason.TOO_MANY_UNANSWERED)]);
    assert.equal(bench.taken.length, 1 + MAX_HELD_MESSAGES);
  });

  test("ends at a frame that is too long as soon as its length is there", () => {
    const bench = new FramedBench();
    const connection = greeted(bench);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(FRAME_BYTES_MAX + 1);
    connection.receive(length);
    const fault = "a frame of 65537 bytes, where 65536 are allowed";
    assert.deepEqual(bench.frames(), [goodbye(GoodbyeReason.PROTOCOL, fault)]);
    assert.deepEqual(bench.closed, ["protocol"]);
  });

  test("answers a goodbye with one, and reads nothing behind it", () => {
    const bench = new FramedBench();
    const connection = greeted(bench);
    const last = bench.bytes({ goodbye: { reason: 0, detail: "", server: "" } });
    connection.receive(Buffer.concat([last, bench.bytes({ log: message(0) })]));
    assert.deepEqual(bench.frames(), [goodbye(GoodbyeReason.UNSPECIFIED)]);
    assert.deepEqual(bench.closed, ["closed"]);
    assert.equal(bench.taken.length, 1);
  });

  test("says nothing on a transport that is gone", () => {
    const bench = new FramedBench();
    greeted(bench).ended();
    assert.deepEqual(bench.frames(), []);
    assert.deepEqual(bench.closed, ["closed"]);
  });

  test("gives way to a newer one of its device", () => {
    const bench = new FramedBench();
    greeted(bench);
    const second = bench.open();
    const [first] = bench.send(second, { hello: message(1) });
    assert.deepEqual(first, goodbye(GoodbyeReason.TAKEN_OVER));
    assert.deepEqual(bench.closed, ["taken-over"]);
    assert.equal(bench.table.slotOfDevice("default/pump-1"), second.slot);
  });
});

test("a hello over framed TCP is the end of an MQTT session that was kept", () => {
  const bench = new FramedBench();
  const will = { channel: "log", payload: Buffer.from("gone"), delaySeconds: 60 } as const;
  const session = {
    ordinal: 0,
    subscriptions: 0,
    unreleased: [],
    deliveries: [],
    lastPacketId: 0,
    will,
  };
  bench.kept.keep("default/pump-1", session, 600);
  bench.kept.keep("default/pump-2", session, 600);
  greeted(bench);
  assert.equal(bench.kept.count, 1);
  assert.deepEqual(bench.late, ["default/pump-1: gone"]);
});

describe("a delivery over framed TCP", () => {
  test("waits for the hello", () => {
    const bench = new FramedBench();
    assert.equal(bench.open().deliver("offer", Buffer.from("{}")), "unsubscribed");
  });

  test("is heard of again when the device has it", () => {
    const bench = new FramedBench();
    const connection = greeted(bench);
    let acknowledgedCount = 0;
    const acknowledged = (): void => void (acknowledgedCount += 1);
    assert.equal(connection.deliver("offer", Buffer.from("{}"), acknowledged), "sent");
    const [frame] = bench.frames();
    assert.equal(frame?.offer?.id, 1);
    assert.deepEqual(Buffer.from(frame?.offer?.payload ?? []), Buffer.from("{}"));
    bench.send(connection, { acknowledgement: { id: 2, refusal: "" } });
    assert.equal(acknowledgedCount, 0);
    bench.send(connection, { acknowledgement: { id: 1, refusal: "" } });
    assert.equal(acknowledgedCount, 1);
  });

  test("waits where 32 are under way, until one is answered", () => {
    const bench = new FramedBench();
    const connection = greeted(bench);
    for (let count = 0; count < MAX_IN_FLIGHT; count += 1) {
      assert.equal(connection.deliver("command", Buffer.from("{}")), "sent");
    }
    assert.equal(connection.deliver("command", Buffer.from("{}")), "blocked");
    const { readyCount } = bench;
    bench.send(connection, { acknowledgement: { id: 9, refusal: "" } });
    assert.equal(bench.readyCount, readyCount + 1);
    assert.equal(connection.deliver("command", Buffer.from("{}")), "sent");
  });

  test("is refused where it would never fit", () => {
    const bench = new FramedBench();
    assert.equal(greeted(bench).deliver("config", Buffer.alloc(33_000)), "too-large");
  });

  test("cuts a device off that takes nothing for 10 s", () => {
    const bench = new FramedBench();
    const connection = greeted(bench);
    bench.isStuck = true;
    while (connection.deliver("offer", Buffer.alloc(10_000)) === "sent");
    for (let second = 0; second < SLOW_CONSUMER_MS / 1_000; second += 1) {
      assert.deepEqual(bench.closed, []);
      connection.receive(bench.bytes({ pong: { number: 0 } }));
      bench.clock.advance(1_000);
    }
    bench.clock.advance(500);
    assert.deepEqual(bench.closed, ["slow"]);
    assert.equal(bench.frames().at(-1)?.goodbye?.reason, GoodbyeReason.SLOW);
  });

  test("goes on when a device has taken what stood", () => {
    const bench = new FramedBench();
    const connection = greeted(bench);
    bench.isStuck = true;
    while (connection.deliver("offer", Buffer.alloc(10_000)) === "sent");
    const { readyCount } = bench;
    bench.writableLength = 0;
    bench.isStuck = false;
    bench.clock.advance(500);
    assert.equal(bench.readyCount, readyCount + 1);
    assert.equal(connection.deliver("offer", Buffer.alloc(10_000)), "sent");
  });

  test("does not keep answers for a device that sends and does not read", () => {
    const bench = new FramedBench();
    const connection = greeted(bench);
    bench.isStuck = true;
    const ping = bench.bytes({ ping: { number: 1 } });
    for (let count = 0; count < 10_000 && bench.closed.length === 0; count += 1) {
      connection.receive(ping);
    }
    assert.deepEqual(bench.closed, ["slow"]);
    assert.ok(bench.writableLength < 70_000, `${bench.writableLength} bytes`);
  });
});
