// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { encodeDisconnect, encodePuback } from "../../../protocol/mqtt/encoder.ts";
import { PacketType } from "../../../protocol/mqtt/packet-type.ts";
import type { Packet, Publish } from "../../../protocol/mqtt/packets.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import { IntakeResult } from "../../pipeline/intake-result.ts";
import { brief, MqttBench, PREFIX, pubrel } from "./testing/mqtt-bench.ts";

const HOUR = { properties: { sessionExpiryIntervalSeconds: 3_600 } };
const KEPT = { ...HOUR, cleanStart: false };
const always = (): boolean => true;

function sessionPresent([connack]: readonly Packet[]): boolean | undefined {
  assert.ok(connack?.type === PacketType.Connack);
  return connack.sessionPresent;
}

function expirySeconds([connack]: readonly Packet[]): number | undefined {
  assert.ok(connack?.type === PacketType.Connack);
  return connack.properties?.sessionExpiryIntervalSeconds;
}

function publishes(packets: readonly Packet[]): Publish[] {
  return packets.filter((packet) => packet.type === PacketType.Publish);
}

/** Text and DUP of each delivery. */
function repeats(packets: readonly Packet[]): [text: string, dup: boolean][] {
  return publishes(packets).map(({ payload, dup }) => [payload.toString(), dup]);
}

/** A connection with a session to be kept, and these offers sent and not acknowledged. */
function benchWith(...offers: string[]): MqttBench {
  const bench = new MqttBench(5);
  bench.connect(KEPT);
  bench.subscribe(`${PREFIX}/down/+`);
  for (const offer of offers) {
    bench.connection.deliver("offer", Buffer.from(offer), null, always);
  }
  return bench;
}

describe("a session that outlives its connection", () => {
  test("is there for who wants it, with its subscriptions", () => {
    const bench = benchWith();
    bench.connection.ended();
    assert.equal(bench.kept.count, 1);
    assert.equal(sessionPresent(bench.again(KEPT)), true);
    assert.equal(bench.readyCount, 2, "what waits for the device may go out");
    assert.equal(bench.connection.deliver("offer", Buffer.from("o")), "sent");
    assert.equal(bench.kept.count, 0);
  });

  test("is discarded by a clean start", () => {
    const bench = benchWith("1");
    bench.connection.ended();
    const packets = bench.again({ ...HOUR, cleanStart: true });
    assert.equal(sessionPresent(packets), false);
    assert.equal(bench.connection.deliver("offer", Buffer.from("o")), "unsubscribed");
    bench.connection.ended();
    assert.deepEqual(repeats(bench.again(KEPT)), [], "it stays discarded");
  });

  test("is not kept unless the client asks for it", () => {
    const bench = new MqttBench(5);
    bench.connect({ cleanStart: false });
    bench.connection.ended();
    assert.equal(bench.kept.count, 0);
    const old = new MqttBench(4);
    old.connect({ cleanStart: true });
    old.connection.ended();
    assert.equal(sessionPresent(old.again({ cleanStart: false })), false);
    old.connection.ended();
    assert.equal(sessionPresent(old.again({ cleanStart: false })), true);
  });

  test("expires after what the client asked for, or the most that there is", () => {
    const bench = new MqttBench(5);
    const ask = (sessionExpiryIntervalSeconds: number): Packet[] =>
      bench.again({ cleanStart: false, properties: { sessionExpiryIntervalSeconds } });
    assert.equal(expirySeconds(ask(60)), undefined, "as it was asked for");
    bench.connection.ended();
    bench.clock.advance(59_500);
    assert.equal(sessionPresent(ask(60)), true);
    bench.connection.ended();
    bench.clock.advance(60_500);
    assert.equal(sessionPresent(ask(0xffff_ffff)), false);
    bench.connection.ended();
    bench.clock.advance(3_599_000);
    const packets = ask(0xffff_ffff);
    assert.equal(expirySeconds(packets), 3_600);
    assert.equal(sessionPresent(packets), true);
    bench.connection.ended();
    bench.clock.advance(3_602_000);
    assert.equal(bench.kept.count, 0, "nobody need come to find it expired");
  });

  test("repeats what was not acknowledged, in its order and under its identifiers", () => {
    const bench = benchWith("1", "2", "3");
    const sent = publishes(bench.packets());
    bench.connection.receive(encodePuback(5, sent[1]?.packetId ?? 0));
    bench.connection.ended();
    const packets = bench.again(KEPT);
    assert.equal(packets[0]?.type, PacketType.Connack);
    assert.deepEqual(repeats(packets), [
      ["1", true],
      ["3", true],
    ]);
    const ids = publishes(packets).map(({ packetId }) => packetId);
    assert.deepEqual(ids, [sent[0]?.packetId, sent[2]?.packetId]);
    bench.connection.deliver("offer", Buffer.from("4"), null, always);
    const [next] = publishes(bench.packets());
    assert.equal(next?.dup, false);
    assert.ok(![...ids, sent[1]?.packetId].includes(next?.packetId), "its identifier is new");
  });

  test("repeats over any number of connections, until it is acknowledged", () => {
    const bench = benchWith("1");
    for (let count = 0; count < 3; count += 1) {
      bench.connection.ended();
      assert.deepEqual(repeats(bench.again(KEPT)), [["1", true]]);
    }
    bench.connection.receive(encodePuback(5, 1));
    bench.connection.ended();
    assert.deepEqual(repeats(bench.again(KEPT)), []);
  });

  test("repeats nothing that may not go out any more", () => {
    const bench = benchWith("1");
    let isGood = true;
    bench.connection.deliver("offer", Buffer.from("2"), null, () => isGood);
    bench.connection.deliver("offer", Buffer.from("3"));
    isGood = false;
    bench.connection.ended();
    assert.deepEqual(repeats(bench.again(KEPT)), [["1", true]]);
  });

  test("repeats as much at a time as the client takes, and nothing new before", () => {
    const bench = benchWith("1", "2", "3");
    bench.connection.ended();
    const few = { ...KEPT, properties: { ...KEPT.properties, receiveMaximum: 2 } };
    const packets = bench.again(few);
    assert.equal(publishes(packets).length, 2);
    assert.equal(bench.connection.deliver("offer", Buffer.from("4")), "blocked");
    bench.connection.receive(encodePuback(5, publishes(packets)[0]?.packetId ?? 0));
    assert.deepEqual(repeats(bench.packets()), [["3", true]]);
    bench.connection.ended();
    assert.deepEqual(repeats(bench.again(KEPT)), [
      ["2", true],
      ["3", true],
    ]);
  });

  test("does not repeat what the new connection cannot take", () => {
    const bench = benchWith("x".repeat(900), "2");
    bench.connection.ended();
    const small = { ...KEPT, properties: { ...KEPT.properties, maximumPacketSizeBytes: 500 } };
    assert.deepEqual(repeats(bench.again(small)), [["2", true]]);
  });

  test("remembers what came at QoS 2 until it is released", () => {
    const bench = new MqttBench(5);
    bench.connect(KEPT);
    bench.publish(`${PREFIX}/up/log`, 2, 7);
    bench.result = IntakeResult.Held;
    bench.publish(`${PREFIX}/up/report`, 1, 8);
    bench.result = IntakeResult.Taken;
    bench.publish(`${PREFIX}/up/log`, 2, 9);
    assert.deepEqual(bench.packets(), [], "9 was taken, and is answered after 8");
    bench.connection.ended();
    bench.again(KEPT);
    assert.deepEqual(brief(bench.publish(`${PREFIX}/up/log`, 2, 7)), ["PUBREC 7"]);
    assert.deepEqual(brief(bench.publish(`${PREFIX}/up/log`, 2, 9)), ["PUBREC 9"]);
    assert.equal(bench.taken.length, 3);
    bench.connection.receive(pubrel(7));
    assert.deepEqual(brief(bench.packets()), ["PUBCOMP 7"]);
    bench.connection.ended();
    bench.again(HOUR);
    bench.publish(`${PREFIX}/up/log`, 2, 9);
    assert.equal(bench.taken.length, 4, "a clean start forgets them");
  });

  test("lasts as long as DISCONNECT says at last", () => {
    const goodbye = (sessionExpiryIntervalSeconds: number): Buffer =>
      encodeDisconnect(5, { reasonCode: 0, properties: { sessionExpiryIntervalSeconds } });
    const bench = benchWith();
    bench.connection.receive(goodbye(0));
    assert.equal(bench.kept.count, 0);
    bench.again(KEPT);
    bench.connection.receive(goodbye(10));
    bench.clock.advance(11_000);
    assert.equal(bench.kept.count, 0);
    bench.again({ cleanStart: true });
    bench.packets();
    bench.connection.receive(goodbye(10));
    const [last] = bench.packets();
    assert.equal(last?.type === PacketType.Disconnect && last.reasonCode, ReasonCode.ProtocolError);
    assert.equal(bench.kept.count, 0);
  });

  test("ends with the device's right to be here, and with the gateway", () => {
    for (const cause of ["refused", "retired", "draining"] as const) {
      const bench = benchWith();
      bench.connection.close(cause);
      assert.equal(bench.kept.count, 0, cause);
    }
  });
});
