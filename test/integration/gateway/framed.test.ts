// SPDX-License-Identifier: Apache-2.0
/** Framed TCP over real sockets and TLS. */
import assert from "node:assert/strict";
import { connect as connectTcp } from "node:net";
import { describe, test, type TestContext } from "node:test";
import { GoodbyeReason } from "../../../protocol/gen/muster/v1/framed_pb.ts";
import { FramedDevice, type FramedDeviceOptions } from "../../helpers/framed-device.ts";
import { FixtureAuthority } from "./fixture-authority.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import { report } from "./test-device.ts";
import { waitUntil } from "./wait-until.ts";

const NEVER_SILENT = { heartbeatIntervalMs: 60_000 };

async function start(
  context: TestContext,
  options: Parameters<typeof GatewayFixture.start>[1] = {},
): Promise<GatewayFixture> {
  return await GatewayFixture.start(context, { framedPort: 0, ...options });
}

async function connect(
  fixture: GatewayFixture,
  device: string,
  options: Partial<FramedDeviceOptions> = {},
): Promise<FramedDevice> {
  const { framedPort: port } = fixture.gateway;
  assert.ok(port !== null);
  const identity = options.identity ?? (await fixture.enrol(device));
  return await FramedDevice.connect({ port, ...options, identity });
}

async function connectGranted(
  fixture: GatewayFixture,
  device: string,
  options: Partial<FramedDeviceOptions> = {},
): Promise<FramedDevice> {
  const connected = await connect(fixture, device, options);
  const saidOfIt = (): number =>
    fixture.center
      .saidOf("deviceState")
      .filter(({ ordinals }) => ordinals.includes(fixture.ordinalOf(device))).length;
  const before = saidOfIt();
  assert.equal((await connected.hello())?.refusal, "");
  // Evidence goes up only then.
  await waitUntil(`${device} is granted`, () => saidOfIt() > before);
  return connected;
}

describe("framed TCP", () => {
  test("is a service of the gateway, where it was asked for", async (context) => {
    const fixture = await start(context);
    const [hello] = fixture.center.saidOf("hello");
    const service = hello?.services.find(({ name }) => name === "framed");
    assert.equal(service?.port, fixture.gateway.framedPort);
    const without = await GatewayFixture.start(context);
    assert.equal(without.gateway.framedPort, null);
    const names = without.center.saidOf("hello")[0]?.services.map(({ name }) => name);
    assert.deepEqual(names, ["mqtts", "artifacts", "admin"]);
  });

  test("a device says hello, is announced, and its evidence goes up", async (context) => {
    const fixture = await start(context);
    const device = await connectGranted(fixture, "pump-1");
    assert.equal(device.keepAliveMs, 10_000);
    const opened = fixture.center.saidOf("sessionOpen").find(({ devices }) => devices.length > 0);
    assert.deepEqual([opened?.tenants, opened?.devices], [["default"], ["pump-1"]]);
    assert.match(opened?.certificateSerials[0] ?? "", /^[0-9a-f]{2,40}$/);
    const hellos = (): ReturnType<typeof fixture.center.saidOf<"deviceHello">> =>
      fixture.center.saidOf("deviceHello");
    await waitUntil("the hello went up", () => hellos().length > 0);
    assert.deepEqual(hellos()[0]?.agents, ["framed-device/1"]);
    const before = fixture.center.saidOf("deviceState").length;
    const digest = "5b".repeat(32);
    const app = { digest, version: "1.0", generation: 3, health: "healthy" };
    device.mention("heartbeat", { sequence: 1, slots: { app } });
    await waitUntil("the change went up", () => {
      return fixture.center.saidOf("deviceState").length > before;
    });
    assert.equal((await device.say("log", "a line"))?.refusal, "");
  });

  test("a report is answered when the center holds it", async (context) => {
    const fixture = await start(context);
    const device = await connectGranted(fixture, "pump-1");
    fixture.center.acknowledgesReports = false;
    let isAnswered = false;
    const answer = device.say("report", report(7, "accepted")).finally(() => (isAnswered = true));
    const batches = (): ReturnType<typeof fixture.center.saidOf<"reports">> =>
      fixture.center.saidOf("reports");
    await waitUntil("the report went up", () => batches().length > 0);
    device.send({ case: "ping", value: { number: 1 } });
    await waitUntil("the ping is answered", () => device.pongCount > 0);
    assert.equal(isAnswered, false);
    fixture.center.acknowledge(batches()[0]?.batchSequence ?? 0n);
    assert.equal((await answer)?.refusal, "");
  });

  test("a message that is none is answered with what is wrong", async (context) => {
    const fixture = await start(context);
    const device = await connectGranted(fixture, "pump-1");
    const answer = await device.say("report", { phase: "accepted" });
    assert.match(answer?.refusal ?? "", /rollout/);
  });

  test("an offer comes down, and a withdrawal is taken", async (context) => {
    const fixture = await start(context);
    const device = await connectGranted(fixture, "pump-1");
    fixture.offer("pump-1");
    await waitUntil("the offer is here", () => device.heard.length > 0);
    assert.deepEqual(device.heard, [{ channel: "offer", id: 1, text: '{"offer":7}' }]);
    const value = { $typeName: "muster.v1.StopEpoch" as const, rollout: 1, stopEpoch: 2n };
    fixture.center.send({ case: "stopEpoch", value });
    await waitUntil("the withdrawal is here", () => device.heard.length > 1);
    assert.match(device.heard[1]?.text ?? "", /"withdraw"/);
    await waitUntil("the center hears that it was taken", () =>
      fixture.center
        .saidOf("stopAcknowledgement")
        .some(({ counts }) => counts?.held === 1 && counts.confirmed === 1),
    );
  });

  test("a certificate of another authority does not get in", async (context) => {
    const fixture = await start(context);
    const stranger = await FixtureAuthority.create(fixture.folder.join("other-ca"));
    const identity = { ...(await stranger.device("default", "pump-1")), ca: fixture.authority.ca };
    const device = await connect(fixture, "pump-1", { identity }).catch(() => null);
    await device?.hello();
    await device?.closed;
    assert.equal(device?.goodbye ?? null, null);
    assert.equal(fixture.gateway.sessionCount(), 0);
    assert.equal(await fixture.metric("tls_failures_total"), 1);
  });

  test("a certificate that is no device's is told so", async (context) => {
    const fixture = await start(context);
    const identity = await fixture.authority.gateway("eu", "gw-2");
    const device = await connect(fixture, "gw-2", { identity });
    assert.equal(await device.hello(), null);
    await device.closed;
    assert.equal(device.goodbye?.reason, GoodbyeReason.NOT_AUTHORIZED);
  });

  test("a device that the center refuses is told so", async (context) => {
    const fixture = await start(context);
    const identity = await fixture.authority.device("default", "unknown-1");
    const device = await connect(fixture, "unknown-1", { identity });
    await device.hello();
    await device.closed;
    assert.equal(device.goodbye?.reason, GoodbyeReason.NOT_AUTHORIZED);
  });

  test("a frame that is too long ends the connection, with the reason", async (context) => {
    const fixture = await start(context);
    const device = await connectGranted(fixture, "pump-1");
    device.socket.write(Buffer.from("00010001", "hex"));
    await device.closed;
    assert.equal(device.goodbye?.reason, GoodbyeReason.PROTOCOL);
    assert.equal(device.goodbye?.detail, "a frame of 65537 bytes, where 65536 are allowed");
    assert.equal(await fixture.metric("closes_total", { cause: "protocol" }), 1);
  });

  test("half a frame keeps no connection", async (context) => {
    const limits = { heartbeatIntervalMs: 200, missesAllowed: 3, detectionMs: 100 };
    const fixture = await start(context, limits);
    const device = await connectGranted(fixture, "pump-1", { pings: false });
    await dribble(device);
    await device.closed;
    assert.equal(device.goodbye?.reason, GoodbyeReason.SILENT);
    // One that pings stays: it is as long there, and then some.
    const alive = await connectGranted(fixture, "pump-1");
    await waitUntil("it has pinged for twice the limit", () => alive.pongCount >= 6);
    assert.equal(alive.goodbye, null);
  });

  test("a goodbye is answered with one, and the session is over", async (context) => {
    const fixture = await start(context, NEVER_SILENT);
    const device = await connectGranted(fixture, "pump-1");
    assert.equal(device.keepAliveMs, 20_000);
    await device.leave();
    assert.equal(device.goodbye?.reason, GoodbyeReason.UNSPECIFIED);
    await waitUntil("the center hears of it", () =>
      fixture.center.saidOf("sessionClose").some(({ ordinals }) => ordinals.length > 0),
    );
    assert.equal(fixture.gateway.sessionCount(), 0);
  });

  test("the newest session of a device wins, whatever it speaks", async (context) => {
    const fixture = await start(context);
    const framed = await connectGranted(fixture, "pump-1");
    const mqtt = await fixture.connectGranted("pump-1");
    await framed.closed;
    assert.equal(framed.goodbye?.reason, GoodbyeReason.TAKEN_OVER);
    const again = await connectGranted(fixture, "pump-1");
    await mqtt.session.closed;
    const reason = mqtt.closeReason;
    assert.equal(reason?.cause === "server-disconnected" && reason.reasonCode, 0x8e);
    assert.equal(fixture.gateway.sessionCount(), 1);
    fixture.offer("pump-1");
    await waitUntil("the offer is here", () => again.heard.length > 0);
  });

  test("a load balancer says whom it speaks for, before TLS", async (context) => {
    const fixture = await start(context, { proxies: ["127.0.0.0/8"] });
    // Without a header nobody gets in, and with one the pipeline is the same.
    await assert.rejects(connect(fixture, "pump-1"));
    const { framedPort: port } = fixture.gateway;
    const raw = connectTcp({ host: "127.0.0.1", port: port ?? 0 });
    raw.write("PROXY TCP4 198.51.100.7 203.0.113.1 40312 7700\r\n");
    const device = await connect(fixture, "pump-1", { through: raw });
    assert.equal((await device.hello())?.refusal, "");
  });

  test("a gateway that ends says goodbye, when its reports are answered", async (context) => {
    const fixture = await start(context);
    const device = await connectGranted(fixture, "pump-1");
    const answer = device.say("report", report(7, "accepted"));
    const waiting = await connect(fixture, "pump-2");
    await waitUntil("both are there", () => fixture.gateway.sessionCount() === 1);
    await fixture.gateway.stop();
    await Promise.all([device.closed, waiting.closed]);
    assert.equal((await answer)?.refusal, "");
    assert.equal(device.goodbye?.reason, GoodbyeReason.SHUTTING_DOWN);
    assert.equal(waiting.goodbye?.reason, GoodbyeReason.SHUTTING_DOWN);
  });
});

/** A frame that never ends, a byte now and then, until the gateway has had enough of it. */
async function dribble(device: FramedDevice): Promise<void> {
  device.socket.write(Buffer.from("0000ea60", "hex"));
  await waitUntil("it is cut off", () => {
    device.socket.write(Buffer.of(0));
    return device.goodbye !== null;
  });
}
