// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";

import { describe, test } from "node:test";
import { PacketType } from "./packet-type.ts";
import { ReasonCode } from "./reason-codes.ts";
import { HI, open, until } from "./testing/client-setup.ts";
import { turn } from "./testing/turn.ts";

describe("publish", () => {
  test("QoS 0 is sent at once, at both levels", async () => {
    for (const level of [4, 5] as const) {
      const { session, server } = await open({ level });
      assert.deepEqual(await session.publish("a", HI, { qos: 0 }), { kind: "sent" });
      const packet = await server.take(PacketType.Publish);
      assert.deepEqual([packet.topic, packet.payload.toString(), packet.qos], ["a", "hi", 0]);
    }
  });

  test("QoS 1 resolves with the server's reason code", async () => {
    const { session, server } = await open();
    const publishing = session.publish("a", HI, { qos: 1, properties: { contentType: "x" } });
    const packet = await server.take(PacketType.Publish);
    assert.equal(packet.properties?.contentType, "x");
    server.acknowledge(packet.packetId, ReasonCode.QuotaExceeded);
    const expected = { kind: "acknowledged", reasonCode: 0x97, properties: undefined };
    assert.deepEqual(await publishing, expected);
  });

  test("acknowledgements find their publish in any order", async () => {
    const { session, server } = await open();
    const first = session.publish("1", HI, { qos: 1 });
    const second = session.publish("2", HI, { qos: 1 });
    const ids = [];
    for (let count = 0; count < 2; count++) {
      ids.push((await server.take(PacketType.Publish)).packetId);
    }
    assert.notEqual(ids[0], ids[1]);
    server.acknowledge(ids[1]!, ReasonCode.QuotaExceeded);
    server.acknowledge(ids[0]!, ReasonCode.NotAuthorized);
    const codes = [await first, await second].map((outcome) =>
      outcome.kind === "acknowledged" ? outcome.reasonCode : outcome.kind,
    );
    assert.deepEqual(codes, [ReasonCode.NotAuthorized, ReasonCode.QuotaExceeded]);
  });

  test("at most 32 are in flight, fewer if the server says so, the rest follow", async () => {
    for (const [connack, window] of [
      [{}, 32],
      [{ properties: { receiveMaximum: 2 } }, 2],
    ] as const) {
      const { session, server } = await open({ connack });
      for (let count = 0; count < 40; count++) void session.publish(`${count}`, HI, { qos: 1 });
      const ids: number[] = [];
      for (let count = 0; count < window; count++) {
        const { topic, packetId } = await server.take(PacketType.Publish);
        assert.equal(topic, `${count}`);
        ids.push(packetId);
      }
      await turn();
      assert.equal(server.waitingCount, 0);
      server.acknowledge(ids[1]!);
      assert.equal((await server.take(PacketType.Publish)).topic, `${window}`);
      await turn();
      assert.equal(server.waitingCount, 0);
    }
  });

  test("what does not fit the queue is refused, and fits again after an answer", async () => {
    const { session, server } = await open();
    for (let count = 0; count < 256; count++) void session.publish("a", HI, { qos: 1 });
    assert.deepEqual(await session.publish("a", HI, { qos: 1 }), { kind: "queue-full" });
    server.acknowledge((await server.take(PacketType.Publish)).packetId);
    await until(() => server.waitingCount === 32);
    const publishing = session.publish("b", HI, { qos: 1 });
    void session.disconnect();
    assert.deepEqual(await publishing, { kind: "closed" });
  });

  test("the queue is bounded in bytes as well", async () => {
    const { session } = await open({ connack: { properties: { receiveMaximum: 1 } } });
    const large = Buffer.alloc(262_000);
    for (let count = 0; count < 6; count++) void session.publish("a", large, { qos: 1 });
    assert.deepEqual(await session.publish("a", HI, { qos: 1 }), { kind: "queue-full" });
  });

  test("what was acknowledged makes room, in number and in bytes", async () => {
    const { session, server } = await open();
    const payload = Buffer.alloc(250_000);
    for (let count = 0; count < 300; count++) {
      const publishing = session.publish("a", count < 10 ? payload : HI, { qos: 1 });
      server.acknowledge((await server.take(PacketType.Publish)).packetId);
      assert.equal((await publishing).kind, "acknowledged");
    }
  });

  test("QoS 0 is dropped when the transport piles up", async () => {
    const { session, server } = await open();
    server.side.pause();
    const large = Buffer.alloc(262_000);
    assert.deepEqual(await session.publish("a", large, { qos: 0 }), { kind: "sent" });
    assert.deepEqual(await session.publish("a", large, { qos: 0 }), { kind: "sent" });
    assert.deepEqual(await session.publish("a", HI, { qos: 0 }), { kind: "queue-full" });
  });

  test("what the server does not take is not sent", async () => {
    const { session } = await open({
      connack: { properties: { maximumPacketSizeBytes: 20, maximumQos: 0 } },
    });
    const large = await session.publish("a", Buffer.alloc(20), { qos: 0 });
    assert.deepEqual(large, { kind: "too-large" });
    const outcome = await session.publish("a", HI, { qos: 1 });
    assert.ok(outcome.kind === "acknowledged");
    assert.equal(outcome.reasonCode, ReasonCode.QosNotSupported);
  });

  test("an aborted wait keeps its identifier, a queued one is not sent", async () => {
    const { session, server } = await open({ connack: { properties: { receiveMaximum: 1 } } });
    const controller = new AbortController();
    const options = { qos: 1, signal: controller.signal } as const;
    const inFlight = session.publish("in-flight", HI, options);
    const queued = session.publish("queued", HI, options);
    controller.abort();
    assert.deepEqual(await inFlight, { kind: "aborted" });
    assert.deepEqual(await queued, { kind: "aborted" });
    assert.deepEqual(await session.publish("late", HI, options), { kind: "aborted" });
    const after = session.publish("after", HI, { qos: 1 });
    const first = await server.take(PacketType.Publish);
    assert.equal(first.topic, "in-flight");
    server.acknowledge(first.packetId);
    const next = await server.take(PacketType.Publish);
    assert.equal(next.topic, "after");
    server.acknowledge(next.packetId);
    assert.equal((await after).kind, "acknowledged");
  });

  test("an answer that was never asked for changes nothing", async () => {
    const { session, server } = await open();
    const publishing = session.publish("a", HI, { qos: 1 });
    const { packetId } = await server.take(PacketType.Publish);
    server.acknowledge(packetId + 1);
    server.say({ type: PacketType.Suback, packetId, reasonCodes: [0] });
    server.acknowledge(packetId);
    assert.equal((await publishing).kind, "acknowledged");
  });

  test("the end of the session ends all waits", async () => {
    const { session, server } = await open();
    const publishing = session.publish("a", HI, { qos: 1 });
    const subscribing = session.subscribe(["a"], { qos: 1 });
    await server.take(PacketType.Publish);
    server.side.destroy();
    assert.deepEqual(await publishing, { kind: "closed" });
    assert.deepEqual(await subscribing, { kind: "closed" });
    assert.equal((await session.closed).cause, "transport");
    assert.deepEqual(await session.publish("a", HI, { qos: 1 }), { kind: "closed" });
    assert.deepEqual(await session.subscribe(["a"], { qos: 1 }), { kind: "closed" });
  });
});

test("subscribe gives a code for each filter", async () => {
  const { session, server } = await open({ connack: { properties: { receiveMaximum: 1 } } });
  // Receive Maximum is about PUBLISH only [MQTT-3.3.4-8].
  void session.publish("a", HI, { qos: 1 });
  const subscribing = session.subscribe(["a/#", "b"], { qos: 1 });
  await server.take(PacketType.Publish);
  const { packetId, subscriptions } = await server.take(PacketType.Subscribe);
  assert.deepEqual(
    subscriptions.map(({ filter, qos }) => [filter, qos]),
    [
      ["a/#", 1],
      ["b", 1],
    ],
  );
  server.say({ type: PacketType.Suback, packetId, reasonCodes: [1, 0x87] });
  assert.deepEqual(await subscribing, { kind: "granted", reasonCodes: [1, 0x87] });
});
