// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";

import { describe, test } from "node:test";
import type { MqttClientOptions } from "./client-options.ts";
import { PacketType } from "./packet-type.ts";
import type { Publish } from "./packets.ts";
import { ReasonCode } from "./reason-codes.ts";
import { CONNECT, HI, NEVER, open, setUp, until } from "./testing/client-setup.ts";
import { turn } from "./testing/turn.ts";

describe("connect", () => {
  test("announces what the session can take, at level 5", async () => {
    const { session, server } = setUp();
    const connecting = session.connect({ ...CONNECT, username: "u" }, NEVER);
    const packet = await server.take(PacketType.Connect);
    assert.equal(packet.clientId, "d1");
    assert.equal(packet.username, "u");
    assert.deepEqual(packet.properties, { receiveMaximum: 32, maximumPacketSizeBytes: 262_144 });
    assert.equal(session.isOpen, false);
    await session.disconnect();
    assert.equal((await connecting).kind, "closed");
  });

  test("gives the server's answer", async () => {
    const { session, server, clock } = setUp();
    const connecting = session.connect(CONNECT, NEVER);
    await server.accept({ sessionPresent: true, properties: { serverKeepAliveSeconds: 60 } });
    const outcome = await connecting;
    assert.ok(outcome.kind === "accepted");
    assert.equal(outcome.connack.sessionPresent, true);
    assert.equal(session.isOpen, true);
    assert.deepEqual(clock.delaysMs, [27_000], "the server's keep alive counts");
  });

  test("a refusal closes, with its reason", async () => {
    for (const level of [4, 5] as const) {
      const { session, server, clock } = setUp(level);
      const connecting = session.connect(CONNECT, NEVER);
      await server.accept({ reasonCode: ReasonCode.NotAuthorized });
      const outcome = await connecting;
      assert.ok(outcome.kind === "closed");
      const expected = { cause: "refused", reasonCode: 0x87, properties: undefined };
      assert.deepEqual(outcome.reason, expected);
      assert.deepEqual(await session.closed, expected);
      assert.deepEqual(clock.delaysMs, []);
    }
  });

  test("no answer in time closes", async () => {
    const { session, clock } = setUp();
    const connecting = session.connect({ ...CONNECT, connectTimeoutMs: 1_234 }, NEVER);
    assert.deepEqual(clock.delaysMs, [1_234]);
    clock.fire();
    assert.deepEqual(await connecting, { kind: "closed", reason: { cause: "connect-timeout" } });
    assert.deepEqual(await session.closed, { cause: "connect-timeout" });
  });

  test("aborts, also before it began", async () => {
    const { session } = setUp();
    const controller = new AbortController();
    const connecting = session.connect(CONNECT, controller.signal);
    controller.abort();
    assert.deepEqual(await connecting, { kind: "closed", reason: { cause: "aborted" } });
    const late = setUp();
    const outcome = await late.session.connect(CONNECT, AbortSignal.abort());
    assert.deepEqual(outcome, { kind: "closed", reason: { cause: "aborted" } });
    assert.equal(late.server.waitingCount, 0);
  });

  test("on a stream that is closed already says so", async () => {
    const { session, server } = setUp();
    server.clientSide.destroy();
    const reason = { cause: "transport", error: undefined };
    assert.deepEqual(await session.connect(CONNECT, NEVER), { kind: "closed", reason });
    assert.deepEqual(await session.closed, reason);
  });

  test("something that is not MQTT closes as malformed", async () => {
    const { session, server } = setUp();
    const connecting = session.connect(CONNECT, NEVER);
    server.side.write("HTTP/1.1 400 Bad Request\r\n");
    await connecting;
    assert.equal((await session.closed).cause, "malformed");
  });
});

describe("received messages", () => {
  test("reach the handler in order, QoS 1 is acknowledged when it returns", async () => {
    const seen: string[] = [];
    const onPublish = (message: Publish): void => void seen.push(message.payload.toString());
    for (const level of [4, 5] as const) {
      const { server } = await open({ level, onPublish });
      server.publish({ payload: Buffer.from("1") });
      server.publish({ payload: Buffer.from("2"), qos: 1, packetId: 7 });
      assert.equal((await server.take(PacketType.Puback)).packetId, 7);
    }
    assert.deepEqual(seen, ["1", "2", "1", "2"]);
  });

  test("are acknowledged in the order of arrival, however the handlers end", async () => {
    const handlers: (() => void)[] = [];
    const onPublish = (message: Publish): Promise<void> | undefined =>
      message.packetId === 3 ? undefined : new Promise((resolve) => handlers.push(resolve));
    const { server } = await open({ onPublish: onPublish });
    for (const packetId of [1, 2, 3]) server.publish({ qos: 1, packetId });
    await until(() => handlers.length === 2);
    handlers[1]?.();
    await turn();
    assert.equal(server.waitingCount, 0);
    handlers[0]?.();
    for (const packetId of [1, 2, 3]) {
      assert.equal((await server.take(PacketType.Puback)).packetId, packetId);
    }
  });

  test("a handler may wait for a publish of its own", async () => {
    const { server } = await open({
      onPublish: async (_message, session) => {
        await session.publish("report", HI, { qos: 1 });
      },
    });
    server.publish({ qos: 1, packetId: 9 });
    server.acknowledge((await server.take(PacketType.Publish)).packetId);
    assert.equal((await server.take(PacketType.Puback)).packetId, 9);
  });

  test("a handler that throws or rejects ends the session without acknowledging", async () => {
    const failure = new Error("cannot");
    const handlers: MqttClientOptions["onPublish"][] = [
      () => {
        throw failure;
      },
      () => Promise.reject(failure),
    ];
    for (const onPublish of handlers) {
      const { session, server } = await open({ onPublish });
      server.publish({ qos: 1, packetId: 1 });
      const { reasonCode } = await server.take(PacketType.Disconnect);
      assert.equal(reasonCode, ReasonCode.ImplementationSpecificError);
      server.side.end();
      assert.deepEqual(await session.closed, { cause: "handler-failed", error: failure });
    }
  });

  test("that break the agreement end the session with the reason", async () => {
    const violations = [
      [{ qos: 2, packetId: 1 }, ReasonCode.ProtocolError],
      [{ properties: { topicAlias: 1 } }, ReasonCode.TopicAliasInvalid],
    ] as const;
    for (const [message, reasonCode] of violations) {
      const { session, server } = await open();
      server.publish(message);
      assert.equal((await server.take(PacketType.Disconnect)).reasonCode, reasonCode);
      server.side.end();
      assert.equal((await session.closed).cause, "malformed");
    }
  });

  test("may be 32 unacknowledged, not 33", async () => {
    const { session, server } = await open({ onPublish: () => new Promise<void>(() => undefined) });
    for (let packetId = 1; packetId <= 33; packetId++) server.publish({ qos: 1, packetId });
    const { reasonCode } = await server.take(PacketType.Disconnect);
    assert.equal(reasonCode, ReasonCode.ReceiveMaximumExceeded);
    server.side.end();
    await session.closed;
  });
});

describe("keep alive", () => {
  test("a silent session pings every second tick while the server answers", async () => {
    const { server, clock, session } = await open();
    assert.deepEqual(clock.delaysMs, [9_000]);
    // The first tick sees CONNECT and CONNACK; then it is silent.
    clock.fire();
    for (let round = 0; round < 3; round++) {
      clock.fire();
      await server.take(PacketType.Pingreq);
      server.say({ type: PacketType.Pingresp });
      await turn();
      clock.fire();
      assert.equal(server.waitingCount, 0);
    }
    assert.equal(session.isOpen, true);
  });

  test("a server that is silent while we send is asked, and given up", async () => {
    const { server, clock, session } = await open();
    clock.fire();
    await session.publish("heartbeat", HI, { qos: 0 });
    clock.fire();
    await server.take(PacketType.Publish);
    await server.take(PacketType.Pingreq);
    await session.publish("heartbeat", HI, { qos: 0 });
    clock.fire();
    assert.deepEqual(await session.closed, { cause: "keep-alive-timeout" });
  });

  test("of 0 sets no timer", async () => {
    const { session, server, clock } = setUp();
    const connecting = session.connect({ ...CONNECT, keepAliveSeconds: 0 }, NEVER);
    await server.accept();
    await connecting;
    assert.deepEqual(clock.delaysMs, []);
  });
});

describe("the end", () => {
  test("disconnect says goodbye, and closes when the server does", async () => {
    for (const level of [4, 5] as const) {
      const { session, server, clock } = await open({ level });
      const ending = session.disconnect();
      assert.equal((await server.take(PacketType.Disconnect)).reasonCode, ReasonCode.Success);
      assert.equal(session.isOpen, false);
      server.side.end();
      assert.deepEqual(await ending, { cause: "disconnected" });
      assert.deepEqual(clock.delaysMs, []);
    }
  });

  test("disconnect does not wait for ever for the server", async () => {
    const { session, clock } = await open();
    const ending = session.disconnect();
    clock.fire();
    assert.deepEqual(await ending, { cause: "disconnected" });
  });

  test("a server's DISCONNECT is the reason", async () => {
    const { session, server } = await open();
    const properties = { serverReference: "b:8883" };
    server.say({
      type: PacketType.Disconnect,
      reasonCode: ReasonCode.UseAnotherServer,
      properties,
    });
    assert.deepEqual(await session.closed, {
      cause: "server-disconnected",
      reasonCode: ReasonCode.UseAnotherServer,
      properties,
    });
  });

  test("an end or an error of the stream is the reason", async () => {
    const ended = await open();
    ended.server.side.end();
    assert.deepEqual(await ended.session.closed, { cause: "transport", error: undefined });
    const broken = await open();
    const error = new Error("read ECONNRESET");
    broken.server.clientSide.destroy(error);
    assert.deepEqual(await broken.session.closed, { cause: "transport", error });
  });

  test("bytes that are not MQTT are answered with the reason, at level 5", async () => {
    const { session, server } = await open();
    server.side.write(Buffer.from("c000", "hex"));
    const { reasonCode } = await server.take(PacketType.Disconnect);
    assert.equal(reasonCode, ReasonCode.ProtocolError);
    server.side.end();
    const reason = await session.closed;
    assert.ok(reason.cause === "malformed");
    assert.equal(reason.packet.clause, "MQTT 5.0 §2.1.2");
  });
});
