// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeDisconnect } from "../../../protocol/mqtt/encoder.ts";
import { PacketType, type ProtocolLevel } from "../../../protocol/mqtt/packet-type.ts";
import type { ConnectFields, Packet } from "../../../protocol/mqtt/packets.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import { MqttBench, PREFIX } from "./testing/mqtt-bench.ts";

const MINUTE = { sessionExpiryIntervalSeconds: 60 };
const DUE = [{ channel: "log", text: "gone", ticket: -1 }];
const LATE = ["default/pump-1: gone"];

function willTo(topic: string, delaySeconds = 0): Partial<ConnectFields> {
  const payload = Buffer.from("gone");
  const properties = { willDelayIntervalSeconds: delaySeconds };
  return { will: { topic, payload, qos: 1, retain: false, properties } };
}

/** Connected with a will for `up/log`. */
function benchWith(
  level: ProtocolLevel,
  delaySeconds = 0,
  fields: Partial<ConnectFields> = {},
): MqttBench {
  const bench = new MqttBench(level);
  bench.connect({ ...willTo(`${PREFIX}/up/log`, delaySeconds), ...fields });
  return bench;
}

function codeOf([connack]: readonly Packet[]): ReasonCode | undefined {
  assert.ok(connack?.type === PacketType.Connack);
  return connack.reasonCode;
}

describe("a will", () => {
  test("is taken when a connection is lost, once", () => {
    for (const level of [4, 5] as const) {
      const bench = benchWith(level);
      assert.deepEqual(bench.taken, []);
      bench.connection.ended();
      bench.connection.ended();
      assert.deepEqual(bench.taken, DUE);
      bench.again();
      bench.connection.ended();
      assert.equal(bench.taken.length, 1, "the next connection has none");
    }
  });

  test("is forgotten after a goodbye", () => {
    for (const level of [4, 5] as const) {
      const bench = benchWith(level);
      bench.connection.receive(encodeDisconnect(level, { reasonCode: ReasonCode.Success }));
      assert.deepEqual(bench.closed, ["closed"]);
      assert.deepEqual(bench.taken, []);
    }
  });

  test("is taken after a goodbye with it, and after an error of the device", () => {
    for (const reasonCode of [ReasonCode.DisconnectWithWill, ReasonCode.UnspecifiedError]) {
      const bench = benchWith(5);
      bench.connection.receive(encodeDisconnect(5, { reasonCode }));
      assert.deepEqual(bench.taken, DUE);
    }
  });

  test("is taken when the gateway ends the connection, unless the device may not speak", () => {
    for (const cause of ["silent", "slow", "taken-over", "draining", "not-its-topic"] as const) {
      const bench = benchWith(5);
      bench.connection.close(cause);
      assert.deepEqual(bench.taken, DUE, cause);
    }
    for (const cause of ["refused", "retired"] as const) {
      const bench = benchWith(5);
      bench.connection.close(cause);
      assert.deepEqual(bench.taken, [], cause);
    }
    const faulty = benchWith(5);
    faulty.connection.receive(Buffer.of(0x00, 0));
    assert.deepEqual(faulty.taken, DUE);
  });

  test("may go where the device may publish, and nowhere else", () => {
    const channels = ["hello", "heartbeat", "report", "log"];
    for (const channel of channels) {
      const bench = new MqttBench(5);
      assert.equal(codeOf(bench.connect(willTo(`${PREFIX}/up/${channel}`))), ReasonCode.Success);
      bench.connection.ended();
      assert.equal(bench.taken[0]?.channel, channel);
    }
    const foreign = ["w", `${PREFIX}/down/offer`, `${PREFIX}2/up/log`, `${PREFIX}/up/log/more`];
    for (const topic of foreign) {
      for (const level of [4, 5] as const) {
        const bench = new MqttBench(level);
        assert.equal(codeOf(bench.connect(willTo(topic))), ReasonCode.NotAuthorized, topic);
        assert.equal(bench.isDestroyed, true);
      }
    }
  });

  test("with a delay is not taken if the session goes on before", () => {
    const bench = benchWith(5, 10, { properties: MINUTE });
    bench.connection.ended();
    bench.clock.advance(9_000);
    bench.again({ cleanStart: false, properties: MINUTE });
    bench.clock.advance(9_000);
    assert.deepEqual([bench.taken, bench.late], [[], []]);
  });

  test("with a delay is taken after it, once", () => {
    const bench = benchWith(5, 10, { properties: MINUTE });
    bench.connection.ended();
    bench.clock.advance(9_500);
    assert.deepEqual(bench.late, []);
    bench.clock.advance(2_000);
    assert.deepEqual(bench.late, LATE);
    bench.again({ cleanStart: true, properties: MINUTE });
    assert.deepEqual(bench.late, LATE);
    assert.deepEqual(bench.taken, []);
  });

  test("with a delay is taken when the session is over, if that is before", () => {
    const ended = benchWith(5, 10);
    ended.connection.ended();
    assert.deepEqual(ended.taken, DUE, "it is over with its connection");
    const expired = benchWith(5, 100, { properties: MINUTE });
    expired.connection.ended();
    expired.clock.advance(59_000);
    assert.deepEqual(expired.late, []);
    expired.clock.advance(2_500);
    assert.deepEqual(expired.late, LATE);
    const discarded = benchWith(5, 10, { properties: MINUTE });
    discarded.connection.ended();
    discarded.again({ cleanStart: true });
    assert.deepEqual(discarded.late, LATE);
  });

  test("with a delay is not taken where the device is only sent to another gateway", () => {
    const bench = benchWith(5, 10, { properties: MINUTE });
    bench.connection.close("draining");
    bench.clock.advance(20_000);
    assert.deepEqual([bench.taken, bench.late], [[], []]);
  });
});
