// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { connect as connectTls } from "node:tls";
import { downTopic, upTopic } from "../../../protocol/device/topics.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import { FixtureAuthority } from "./fixture-authority.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import { waitUntil } from "./wait-until.ts";

describe("sessions of a gateway", () => {
  test("a device connects as itself, is announced and granted", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connectGranted("pump-1");
    assert.equal(device.connack?.reasonCode, ReasonCode.Success);
    assert.equal(device.connack?.properties?.receiveMaximum, 32);
    assert.equal(device.connack?.properties?.maximumQos, undefined);
    const [hello] = fixture.center.saidOf("hello");
    assert.equal(hello?.gateway, "gw-1");
    assert.deepEqual(
      hello?.services.map(({ name }) => name),
      ["mqtts", "artifacts", "admin"],
    );
    const snapshot = fixture.center.saidOf("sessionOpen")[0];
    assert.deepEqual([snapshot?.snapshotBegin, snapshot?.snapshotEnd], [true, true]);
    const opened = fixture.center.saidOf("sessionOpen").find(({ devices }) => devices.length > 0);
    assert.deepEqual([opened?.tenants, opened?.devices], [["default"], ["pump-1"]]);
    assert.match(opened?.certificateSerials[0] ?? "", /^[0-9a-f]{2,40}$/);
  });

  test("TLS 1.2 is refused, AES-256-GCM is negotiated", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const { key, cert, ca } = await fixture.enrol("pump-1");
    const port = fixture.gateway.mqttsPort;
    const device = await fixture.connect("pump-1");
    assert.equal(device.socket.getProtocol(), "TLSv1.3");
    assert.equal(device.socket.getCipher().name, "TLS_AES_256_GCM_SHA384");
    await assert.rejects(
      new Promise((resolve, reject) => {
        const old = { host: "127.0.0.1", port, key, cert, ca, maxVersion: "TLSv1.2" as const };
        connectTls({ ...old, minVersion: "TLSv1.2" }, () => resolve(null)).once("error", reject);
      }),
      /protocol version|EPROTO|alert/i,
    );
  });

  test("a resumed TLS session is the same device", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const first = await fixture.connect("pump-1");
    await waitUntil("a ticket is there", () => first.tickets.length > 0);
    const session = first.tickets[0];
    const second = await fixture.connect("pump-1", { session });
    assert.equal(second.socket.isSessionReused(), true);
    assert.equal(second.connack?.reasonCode, ReasonCode.Success);
    const third = await fixture.connect("pump-1", { session, clientId: "pump-2" });
    assert.equal(third.connack, null);
  });

  test("a device with a certificate of another authority does not get in", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const stranger = await FixtureAuthority.create(fixture.folder.join("other-ca"));
    const identity = { ...(await stranger.device("default", "pump-1")), ca: fixture.authority.ca };
    const outcome = await fixture.connect("pump-1", { identity }).then(
      (device) => device.connack,
      () => null,
    );
    assert.equal(outcome, null);
    assert.equal(fixture.gateway.sessionCount(), 0);
  });

  test("a gateway's certificate does not make a device", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const identity = await fixture.authority.gateway("eu", "gw-2");
    const device = await fixture.connect("gw-2", { identity });
    assert.deepEqual(
      device.closeReason?.cause === "refused" && device.closeReason.reasonCode,
      ReasonCode.NotAuthorized,
    );
  });

  for (const protocolLevel of [4, 5] as const) {
    test(`level ${protocolLevel} refuses a foreign client id`, async (context) => {
      const fixture = await GatewayFixture.start(context);
      await fixture.enrol("pump-1");
      const device = await fixture.connect("pump-1", { clientId: "pump-2", protocolLevel });
      assert.deepEqual(
        device.closeReason?.cause === "refused" && device.closeReason.reasonCode,
        ReasonCode.ClientIdentifierNotValid,
      );
    });
  }

  test("an empty client id becomes the device's", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connect("pump-1", { clientId: "" });
    assert.equal(device.connack?.properties?.assignedClientIdentifier, "pump-1");
  });

  test("a device publishes and subscribes below its own prefix only", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const { session } = await fixture.connect("pump-1");
    const foreign = [
      upTopic("default", "pump-2", "heartbeat"),
      upTopic("other", "pump-1", "heartbeat"),
      downTopic("default", "pump-1", "offer"),
      "muster/v1/default/pump-1/up/heartbeat/more",
    ];
    for (const topic of foreign) {
      const outcome = await session.publish(topic, Buffer.from("{}"), { qos: 1 });
      assert.equal(
        outcome.kind === "acknowledged" && outcome.reasonCode,
        ReasonCode.NotAuthorized,
        topic,
      );
    }
    const filters = ["muster/v1/default/pump-2/down/#", "#", "$share/g/muster/v1/#"];
    const granted = await session.subscribe(filters, { qos: 1 });
    const { NotAuthorized, SharedSubscriptionsNotSupported } = ReasonCode;
    assert.deepEqual(granted.kind === "granted" && granted.reasonCodes, [
      NotAuthorized,
      NotAuthorized,
      SharedSubscriptionsNotSupported,
    ]);
    assert.equal(session.isOpen, true);
  });

  test("a device that goes on using foreign topics is cut off", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connect("pump-1");
    const topic = upTopic("default", "pump-2", "report");
    for (let count = 0; count < 10; count += 1) {
      void device.session.publish(topic, Buffer.from("{}"), { qos: 0 });
    }
    await waitUntil("the device is closed", () => device.closeReason !== null);
    assert.deepEqual(
      device.closeReason?.cause === "server-disconnected" && device.closeReason.reasonCode,
      ReasonCode.NotAuthorized,
    );
  });

  test("a 3.1.1 device that uses a foreign topic is closed at once", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connect("pump-1", { protocolLevel: 4 });
    const topic = upTopic("default", "pump-2", "report");
    await device.session.publish(topic, Buffer.from("{}"), { qos: 1 });
    await waitUntil("the device is closed", () => device.closeReason !== null);
    assert.equal(device.session.isOpen, false);
  });

  test("the newest session of a device wins, and the old one is told", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const first = await fixture.connectGranted("pump-1");
    const second = await fixture.connect("pump-1");
    await waitUntil("the first session is closed", () => first.closeReason !== null);
    assert.deepEqual(
      first.closeReason?.cause === "server-disconnected" && first.closeReason.reasonCode,
      ReasonCode.SessionTakenOver,
    );
    assert.equal(second.session.isOpen, true);
    assert.equal(fixture.gateway.sessionCount(), 1);
  });

  test("a session that the center revokes is closed, if it is still that one", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connectGranted("pump-1");
    const opened = fixture.center.saidOf("sessionOpen").find(({ devices }) => devices.length > 0);
    const localIds = opened?.localIds ?? [];
    const revoke = (fence: bigint): void =>
      fixture.center.send({
        case: "sessionRevoke",
        value: { $typeName: "muster.v1.SessionRevoke", localIds, fences: [fence], reason: 1 },
      });
    revoke(99n);
    await device.publish("log", "still here");
    assert.equal(device.session.isOpen, true, "another fence is another session");
    revoke(1n);
    await waitUntil("the session is closed", () => device.closeReason !== null);
    assert.deepEqual(
      device.closeReason?.cause === "server-disconnected" && device.closeReason.reasonCode,
      ReasonCode.SessionTakenOver,
    );
  });

  test("a device that the center does not know is turned away", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const identity = await fixture.authority.device("default", "stranger");
    const device = await fixture.connect("stranger", { identity });
    await waitUntil("the session is closed", () => device.closeReason !== null);
    assert.deepEqual(
      device.closeReason?.cause === "server-disconnected" && device.closeReason.reasonCode,
      ReasonCode.NotAuthorized,
    );
  });

  test("after a break of the uplink the center hears of everybody again", async (context) => {
    const fixture = await GatewayFixture.start(context);
    await fixture.connectGranted("pump-1");
    await fixture.connectGranted("pump-2");
    await fixture.center.kill();
    await waitUntil("the gateway notices", () => !fixture.gateway.isLinked());
    const whileAway = await fixture.connect("pump-3");
    assert.equal(whileAway.connack?.reasonCode, ReasonCode.Success);
    fixture.center.said.length = 0;
    await fixture.center.start();
    await waitUntil("a snapshot comes", () =>
      fixture.center.saidOf("sessionOpen").some(({ snapshotEnd }) => snapshotEnd),
    );
    const devices = fixture.center.saidOf("sessionOpen").flatMap((batch) => batch.devices);
    assert.deepEqual(devices.toSorted(), ["pump-1", "pump-2", "pump-3"]);
  });

  test("a gateway that stops says goodbye to devices and center", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connectGranted("pump-1");
    await fixture.gateway.stop();
    await waitUntil("the device is closed", () => device.closeReason !== null);
    assert.deepEqual(
      device.closeReason?.cause === "server-disconnected" && device.closeReason.reasonCode,
      ReasonCode.ServerShuttingDown,
    );
    assert.deepEqual(fixture.center.saidOf("sessionClose")[0]?.ordinals, [
      fixture.ordinalOf("pump-1"),
    ]);
  });
});
