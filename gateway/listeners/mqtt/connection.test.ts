// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { encodeConnect } from "../../../protocol/mqtt/connect-encoder.ts";
import { encodePuback, PINGREQ } from "../../../protocol/mqtt/encoder.ts";
import { PacketType } from "../../../protocol/mqtt/packet-type.ts";
import type { Packet } from "../../../protocol/mqtt/packets.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import { encodeUnsubscribe } from "../../../protocol/mqtt/subscribe-encoder.ts";
import { IntakeResult } from "../../pipeline/intake-result.ts";
import { MAX_OUTPUT_BYTES } from "../stream-output.ts";
import { SLOW_CONSUMER_MS } from "../../sessions/slow-consumers.ts";
import { MqttBench, PREFIX } from "./testing/mqtt-bench.ts";

describe("an MQTT connection", () => {
  test("is closed when no CONNECT comes within its deadline", () => {
    const bench = new MqttBench(5);
    bench.connection.receive(Buffer.of(0x10)); // A byte now and then does not prolong it.
    bench.clock.advance(9_000);
    bench.connection.receive(Buffer.of(0x40));
    bench.clock.advance(1_500);
    assert.equal(bench.isDestroyed, true);
    assert.equal(bench.table.takenCount, 0);
  });

  test("is closed with the reason when the device falls silent", () => {
    const bench = new MqttBench(5);
    bench.connect();
    bench.clock.advance(14_000);
    bench.connection.receive(PINGREQ);
    assert.deepEqual(bench.packets(), [{ type: PacketType.Pingresp }]);
    bench.clock.advance(14_900);
    assert.deepEqual(bench.closed, []);
    bench.clock.advance(500);
    assert.deepEqual(bench.closed, ["silent"]);
    const [last] = bench.packets();
    assert.equal(last?.type === PacketType.Disconnect && last.reasonCode, 0x8d);
  });

  test("keeps to one and a half keep alives where those are shorter", () => {
    const bench = new MqttBench(4);
    bench.connect({ keepAliveSeconds: 4 });
    bench.clock.advance(5_900);
    assert.deepEqual(bench.closed, []);
    bench.clock.advance(500);
    assert.deepEqual(bench.closed, ["silent"]);
  });

  test("tells a level 5 client a keep alive that presence can live with", () => {
    const ask = (keepAliveSeconds: number): number | undefined => {
      const [connack] = new MqttBench(5).connect({ keepAliveSeconds });
      assert.equal(connack?.type, PacketType.Connack);
      return connack?.properties?.serverKeepAliveSeconds;
    };
    assert.equal(ask(0), 10);
    assert.equal(ask(60), 10);
    assert.equal(ask(7), undefined);
  });

  test("acknowledges in the order of the messages", () => {
    const bench = new MqttBench(5);
    bench.connect();
    bench.result = IntakeResult.Held;
    assert.deepEqual(bench.publish(`${PREFIX}/up/report`, 1, 11), []);
    bench.result = IntakeResult.Taken;
    assert.deepEqual(bench.publish(`${PREFIX}/up/heartbeat`, 1, 12), []);
    assert.deepEqual(bench.publish(`${PREFIX}/up/report`, 1, 11), [], "a repeat waits with it");
    assert.equal(bench.taken.length, 2);
    bench.connection.acknowledge(bench.taken[0]?.ticket ?? -1);
    assert.deepEqual(
      bench.packets().map((packet) => packet.type === PacketType.Puback && packet.packetId),
      [11, 12],
    );
  });

  test("closes a session that has more under way than is held", () => {
    const bench = new MqttBench(5);
    bench.connect();
    bench.result = IntakeResult.Held;
    for (let packetId = 1; packetId <= 32; packetId += 1) {
      bench.publish(`${PREFIX}/up/report`, 1, packetId);
    }
    assert.deepEqual(bench.closed, []);
    const [last] = bench.publish(`${PREFIX}/up/report`, 1, 33);
    assert.deepEqual(bench.closed, ["held-limit"]);
    assert.equal(last?.type === PacketType.Disconnect && last.reasonCode, 0x93);
  });

  test("refuses what CONNACK has ruled out", () => {
    const cases: [(bench: MqttBench) => unknown, ReasonCode][] = [
      [(bench) => bench.connection.receive(Buffer.of(0x50, 2, 0, 1)), ReasonCode.ProtocolError],
      [(bench) => bench.connection.receive(Buffer.of(0x00, 0)), ReasonCode.MalformedPacket],
    ];
    for (const [act, reasonCode] of cases) {
      const bench = new MqttBench(5);
      bench.connect();
      const seen = act(bench) ?? [];
      const last = [...(seen as Packet[]), ...bench.packets()].at(-1);
      assert.equal(last?.type === PacketType.Disconnect && last.reasonCode, reasonCode);
      assert.deepEqual(bench.closed, ["protocol"]);
    }
  });

  test("delivers in the QoS of the subscription, and nothing without one", () => {
    const bench = new MqttBench(5);
    bench.connect();
    const offer = Buffer.from("offer");
    assert.equal(bench.connection.deliver("offer", offer), "unsubscribed");
    bench.subscribe(`${PREFIX}/down/offer`, `${PREFIX}/down/#`);
    assert.equal(bench.connection.deliver("offer", offer), "sent");
    const [message] = bench.packets();
    assert.equal(message?.type === PacketType.Publish && message.topic, `${PREFIX}/down/offer`);
    const filters = [`${PREFIX}/down/offer`];
    bench.connection.receive(encodeUnsubscribe(5, { packetId: 10, filters }));
    assert.equal(bench.connection.deliver("offer", offer), "sent", "down/# is still held");
    assert.equal(bench.connection.deliver("config", offer), "sent");
  });

  test("has at most 32 deliveries in flight, or as few as the client wants", () => {
    for (const [receiveMaximum, most] of [
      [undefined, 32],
      [2, 2],
    ] as const) {
      const bench = new MqttBench(5);
      bench.connect(receiveMaximum === undefined ? {} : { properties: { receiveMaximum } });
      bench.subscribe(`${PREFIX}/down/+`);
      const before = bench.readyCount;
      let sentCount = 0;
      while (bench.connection.deliver("offer", Buffer.from("o")) === "sent") sentCount += 1;
      assert.equal(sentCount, most);
      const [first] = bench.packets();
      assert.equal(bench.readyCount, before);
      const packetId = first?.type === PacketType.Publish ? first.packetId : 0;
      bench.connection.receive(encodePuback(5, packetId));
      assert.equal(bench.readyCount, before + 1);
      assert.equal(bench.connection.deliver("offer", Buffer.from("o")), "sent");
    }
  });

  test("delivers in order, under identifiers that are not in flight, and answers meanwhile", () => {
    const bench = new MqttBench(5);
    bench.connect({ properties: { receiveMaximum: 3 } });
    bench.subscribe(`${PREFIX}/down/+`);
    for (const text of ["1", "2", "3"]) bench.connection.deliver("offer", Buffer.from(text));
    const sent = bench.packets().filter((packet) => packet.type === PacketType.Publish);
    assert.deepEqual(
      sent.map(({ payload, dup, retain }) => [payload.toString(), dup, retain]),
      ["1", "2", "3"].map((text) => [text, false, false]),
    );
    assert.equal(new Set(sent.map(({ packetId }) => packetId)).size, 3);
    assert.equal(bench.connection.deliver("offer", Buffer.from("4")), "blocked");
    const [answer] = bench.publish(`${PREFIX}/up/heartbeat`, 1, 5);
    assert.equal(answer?.type === PacketType.Puback && answer.packetId, 5);
    // A refusal of the device ends the delivery, too [MQTT-4.4.0-2].
    const refusal = Buffer.of(0x40, 3, 0, sent[0]?.packetId ?? 0, ReasonCode.QuotaExceeded);
    bench.connection.receive(refusal);
    assert.equal(bench.connection.deliver("offer", Buffer.from("4")), "sent");
  });

  test("a filter that comes again replaces the one before, until it is given up", () => {
    const bench = new MqttBench(5);
    bench.connect();
    bench.subscribe(`${PREFIX}/down/offer`);
    let acknowledgedCount = 0;
    const offer = Buffer.from("offer");
    bench.connection.deliver("offer", offer, () => void (acknowledgedCount += 1));
    const [first] = bench.packets();
    assert.equal(first?.type === PacketType.Publish && first.qos, 1);
    bench.subscribeAt(0, `${PREFIX}/down/offer`);
    bench.connection.deliver("offer", offer);
    const second = bench.packets().at(-1);
    assert.equal(second?.type === PacketType.Publish && second.qos, 0);
    const filters = [`${PREFIX}/down/offer`];
    bench.connection.receive(encodeUnsubscribe(5, { packetId: 10, filters }));
    assert.equal(bench.connection.deliver("offer", offer), "unsubscribed");
    // What was under way is still completed [MQTT-3.10.4-3].
    const packetId = first?.type === PacketType.Publish ? first.packetId : 0;
    bench.connection.receive(encodePuback(5, packetId));
    assert.equal(acknowledgedCount, 1);
  });

  test("sends nothing larger than the client takes", () => {
    const bench = new MqttBench(5);
    bench.connect({ properties: { maximumPacketSizeBytes: 1_000 } });
    bench.subscribe(`${PREFIX}/down/+`);
    assert.equal(bench.connection.deliver("offer", Buffer.alloc(1_000)), "too-large");
    assert.equal(bench.connection.deliver("offer", Buffer.alloc(900)), "sent");
  });

  test("waits for a device that takes nothing, and cuts it after a while", () => {
    const bench = new MqttBench(5);
    bench.connect();
    bench.subscribe(`${PREFIX}/down/+`);
    bench.isStuck = true;
    while (bench.connection.deliver("offer", Buffer.alloc(8_000)) === "sent");
    assert.ok(bench.writableLength <= MAX_OUTPUT_BYTES);
    bench.clock.advance(1_000);
    const before = bench.readyCount;
    bench.writableLength = 0;
    bench.clock.advance(1_000);
    assert.equal(bench.readyCount, before + 1, "it has read: deliveries go on");
    while (bench.connection.deliver("offer", Buffer.alloc(8_000)) === "sent");
    bench.clock.advance(SLOW_CONSUMER_MS + 1_000);
    assert.deepEqual(bench.closed, ["slow"]);
  });

  test("cuts a device that asks and asks and does not read", () => {
    const bench = new MqttBench(5);
    bench.connect();
    bench.isStuck = true;
    const pings = Buffer.concat(Array.from({ length: 1_000 }, () => PINGREQ));
    for (let count = 0; count < 100 && !bench.isDestroyed; count += 1) {
      bench.connection.receive(pings);
    }
    assert.deepEqual(bench.closed, ["slow"]);
    assert.ok(bench.writableLength < MAX_OUTPUT_BYTES + 1_000);
  });

  test("says and takes nothing more once it is closed", () => {
    const bench = new MqttBench(5);
    bench.connect();
    bench.connection.close("draining");
    bench.packets();
    bench.publish(`${PREFIX}/up/log`, 1, 1);
    bench.connection.acknowledge(0);
    bench.connection.ended();
    assert.equal(bench.connection.deliver("offer", Buffer.from("o")), "blocked");
    assert.deepEqual(bench.packets(), []);
    assert.deepEqual(bench.closed, ["draining"]);
    assert.deepEqual(bench.taken, []);
  });

  test("passes over lines of its log while there is too much to do, and over nothing else", () => {
    const bench = new MqttBench(5);
    bench.connect();
    bench.loadLevel.isOverloaded = true;
    bench.publish(`${PREFIX}/up/log`, 0, 0, "one");
    bench.publish(`${PREFIX}/up/heartbeat`, 0, 0, "two");
    bench.publish(`${PREFIX}/up/report`, 1, 1, "three");
    bench.loadLevel.isOverloaded = false;
    bench.publish(`${PREFIX}/up/log`, 0, 0, "four");
    assert.deepEqual(
      bench.taken.map(({ text }) => text),
      ["two", "three", "four"],
    );
  });

  test("survives any bytes, in any pieces, and gives its slot back", () => {
    const connect = encodeConnect({
      protocolLevel: 5,
      clientId: "pump-1",
      cleanStart: true,
      keepAliveSeconds: 10,
    });
    const pieces = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 20 });
    fc.assert(
      fc.property(fc.boolean(), pieces, (isConnected, chunks) => {
        const bench = new MqttBench(5);
        if (isConnected) bench.connection.receive(connect);
        for (const chunk of chunks) bench.connection.receive(chunk);
        bench.connection.ended();
        assert.equal(bench.table.takenCount, 0);
      }),
    );
  });
});
