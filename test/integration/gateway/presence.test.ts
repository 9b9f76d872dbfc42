// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect } from "node:tls";
import { encodeConnect } from "../../../protocol/mqtt/connect-encoder.ts";
import { PacketDecoder } from "../../../protocol/mqtt/decoder.ts";
import { MALFORMED, PacketType } from "../../../protocol/mqtt/packet-type.ts";
import type { Packet } from "../../../protocol/mqtt/packets.ts";
import { SessionCloseReason } from "../../../protocol/gen/muster/v1/gateway_pb.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import { waitUntil } from "./wait-until.ts";

/** A client that says CONNECT and nothing more: not even the pings of its keep alive. */
async function connectMute(
  fixture: GatewayFixture,
  device: string,
): Promise<{ packets: Packet[] }> {
  const { key, cert, ca } = await fixture.enrol(device);
  const tls = { host: "127.0.0.1", port: fixture.gateway.mqttsPort, key, cert, ca };
  const socket = connect({ ...tls, checkServerIdentity: () => undefined });
  const decoder = new PacketDecoder({ receiver: "client", protocolLevel: 5 });
  const packets: Packet[] = [];
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    decoder.push(chunk);
    for (let packet = decoder.next(); packet !== null; packet = decoder.next()) {
      assert.notEqual(packet.type, MALFORMED);
      packets.push(packet as Packet);
    }
  });
  const facts = { protocolLevel: 5, cleanStart: true, keepAliveSeconds: 10 } as const;
  socket.write(encodeConnect({ ...facts, clientId: device }));
  await waitUntil("the mute device is accepted", () => packets.length === 1);
  return { packets };
}

describe("presence at a gateway", () => {
  test("a device that falls silent is offline, one that sends anything is not", async (context) => {
    const fixture = await GatewayFixture.start(context, { heartbeatIntervalMs: 500 });
    const silent = await connectMute(fixture, "pump-1");
    const alive = await fixture.connectGranted("pump-2");
    let sequence = 0;
    await waitUntil("the silent device is closed", () => {
      sequence += 1;
      void alive.publish("heartbeat", { sequence, slots: {} }, 0);
      return fixture.center.saidOf("sessionClose").length > 0;
    });
    const [close] = fixture.center.saidOf("sessionClose");
    assert.deepEqual(close?.ordinals, [fixture.ordinalOf("pump-1")]);
    assert.deepEqual(close?.reasons, [SessionCloseReason.MISSED_HEARTBEATS]);
    assert.equal(alive.session.isOpen, true);
    assert.equal(fixture.gateway.sessionCount(), 1);
    await waitUntil("the silent device hears of it", () => silent.packets.length === 2);
    const [, last] = silent.packets;
    assert.equal(
      last?.type === PacketType.Disconnect && last.reasonCode,
      ReasonCode.KeepAliveTimeout,
    );
  });

  test("a device that says goodbye is closed, not silent", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connectGranted("pump-1");
    await device.session.disconnect();
    await waitUntil("it is told", () => fixture.center.saidOf("sessionClose").length > 0);
    assert.deepEqual(fixture.center.saidOf("sessionClose")[0]?.reasons, [
      SessionCloseReason.CLOSED,
    ]);
  });

  test("the admin port says what the gateway counts, and when it is ready", async (context) => {
    const fixture = await GatewayFixture.start(context);
    await fixture.connectGranted("pump-1");
    const ask = (path: string): Promise<Response> =>
      fetch(`http://127.0.0.1:${fixture.gateway.adminPort}${path}`);
    assert.equal((await ask("/readyz")).status, 200);
    const metrics = await (await ask("/metrics")).text();
    assert.match(metrics, /^muster_gateway_sessions 1$/m);
    assert.match(metrics, /^muster_gateway_connects_total\{reason="Success"\} 1$/m);
    assert.match(metrics, /^muster_gateway_uplink_connected 1$/m);
  });
});
