// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { PacketType } from "../../../protocol/mqtt/packet-type.ts";
import { IntakeResult } from "../../pipeline/intake-result.ts";
import { brief, MqttBench, PREFIX, pubrel } from "./testing/mqtt-bench.ts";

describe("what a device publishes at QoS 2", () => {
  test("hands a message of QoS 2 on once, however often it comes before PUBREL", () => {
    const bench = new MqttBench(5);
    bench.connect();
    const topic = `${PREFIX}/up/report`;
    bench.result = IntakeResult.Held;
    assert.deepEqual(bench.publish(topic, 2, 7), []);
    assert.deepEqual(bench.publish(topic, 2, 7), [], "the center does not hold it yet");
    bench.connection.acknowledge(bench.taken[0]?.ticket ?? -1);
    assert.deepEqual(brief(bench.packets()), ["PUBREC 7"]);
    assert.deepEqual(brief(bench.publish(topic, 2, 7)), ["PUBREC 7"]);
    assert.equal(bench.taken.length, 1);
    bench.connection.receive(pubrel(7));
    assert.deepEqual(brief(bench.packets()), ["PUBCOMP 7"]);
    bench.result = IntakeResult.Taken;
    assert.deepEqual(brief(bench.publish(topic, 2, 7)), ["PUBREC 7"], "it is another message");
    assert.equal(bench.taken.length, 2);
  });

  test("answers QoS 1 and 2 in the order of the messages", () => {
    const bench = new MqttBench(4);
    bench.connect();
    bench.result = IntakeResult.Held;
    bench.publish(`${PREFIX}/up/report`, 2, 11);
    bench.result = IntakeResult.Taken;
    bench.publish(`${PREFIX}/up/heartbeat`, 1, 12);
    bench.publish(`${PREFIX}/up/heartbeat`, 2, 13);
    assert.deepEqual(bench.packets(), []);
    bench.connection.acknowledge(bench.taken[0]?.ticket ?? -1);
    assert.deepEqual(brief(bench.packets()), ["PUBREC 11", "PUBACK 12", "PUBREC 13"]);
  });

  test("a message of QoS 2 that is refused leaves its packet id free", () => {
    const bench = new MqttBench(5);
    bench.connect();
    bench.result = IntakeResult.Malformed;
    const [refusal] = bench.publish(`${PREFIX}/up/report`, 2, 7);
    assert.ok(refusal?.type === PacketType.Pubrec);
    assert.equal(refusal.reasonCode, 0x99);
    assert.deepEqual(refusal.properties, { reasonString: "it is none" });
    bench.result = IntakeResult.Taken;
    bench.publish(`${PREFIX}/up/report`, 2, 7);
    assert.equal(bench.taken.length, 2);
    const small = new MqttBench(5);
    small.connect({ properties: { maximumPacketSizeBytes: 10 } });
    small.result = IntakeResult.Malformed;
    const [short] = small.publish(`${PREFIX}/up/report`, 2, 7);
    assert.equal(short?.type === PacketType.Pubrec && short.properties, undefined);
  });

  test("remembers 32 messages of QoS 2 that were not released", () => {
    const bench = new MqttBench(5);
    bench.connect();
    for (let packetId = 1; packetId <= 32; packetId += 1) {
      bench.publish(`${PREFIX}/up/log`, 2, packetId);
    }
    assert.deepEqual(brief(bench.publish(`${PREFIX}/up/log`, 2, 32)), ["PUBREC 32"], "a repeat");
    bench.connection.receive(pubrel(5));
    bench.publish(`${PREFIX}/up/log`, 2, 33);
    assert.deepEqual(bench.closed, []);
    bench.publish(`${PREFIX}/up/log`, 2, 34);
    assert.deepEqual(bench.closed, ["held-limit"]);
    assert.equal(bench.taken.length, 33);
  });
});
