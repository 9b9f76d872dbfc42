// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { upTopic } from "../../../protocol/device/topics.ts";
import { MqttClientSession } from "../../../protocol/mqtt/client.ts";
import type { CloseReason, ConnectOutcome } from "../../../protocol/mqtt/client-outcomes.ts";
import type { ConnectFields } from "../../../protocol/mqtt/packets.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import { waitUntil } from "./wait-until.ts";

interface PlainDevice {
  readonly session: MqttClientSession;
  readonly outcome: ConnectOutcome;
}

async function connectPlain(
  fixture: GatewayFixture,
  fields: Partial<ConnectFields> = {},
): Promise<PlainDevice> {
  const socket = connect(fixture.gateway.insecureMqttPort ?? 0, "127.0.0.1");
  await once(socket, "connect");
  const options = { transport: socket, clock: systemClock, protocolLevel: 5 as const };
  const session = new MqttClientSession({ ...options, onPublish: () => {} });
  const connectFields = { clientId: "pump-1", cleanStart: true, keepAliveSeconds: 10, ...fields };
  const outcome = await session.connect(connectFields, new AbortController().signal);
  return { session, outcome };
}

describe("an insecure listener of a gateway", () => {
  test("is not there unless the operator asks for it", async (context) => {
    const fixture = await GatewayFixture.start(context);
    assert.equal(fixture.gateway.insecureMqttPort, null);
  });

  test("takes a device for who it says it is, and the center hears of it", async (context) => {
    const fixture = await GatewayFixture.start(context, { insecureMqttPort: 0 });
    await fixture.enrol("pump-1");
    const { session, outcome } = await connectPlain(fixture);
    assert.equal(outcome.kind, "accepted");
    const os = { digest: "", version: "", generation: 0, health: "unknown" };
    const heartbeat = Buffer.from(JSON.stringify({ sequence: 0, slots: { os } }));
    await session.publish(upTopic("default", "pump-1", "heartbeat"), heartbeat, { qos: 1 });
    const ordinal = fixture.ordinalOf("pump-1");
    await waitUntil("its evidence is at the center", () =>
      fixture.center.saidOf("deviceState").some(({ ordinals }) => ordinals.includes(ordinal)),
    );
    const opened = fixture.center.saidOf("sessionOpen").find(({ devices }) => devices.length > 0);
    assert.deepEqual(
      [opened?.tenants, opened?.devices, opened?.certificateSerials],
      [["default"], ["pump-1"], [""]],
    );
    const [hello] = fixture.center.saidOf("hello");
    assert.ok(hello?.services.some(({ name }) => name === "insecure-mqtt"));
  });

  test("takes the tenant from the user name; the newest session wins", async (context) => {
    const fixture = await GatewayFixture.start(context, { insecureMqttPort: 0 });
    await fixture.enrol("pump-1", "acme");
    const first = await connectPlain(fixture, { username: "acme" });
    const second = await connectPlain(fixture, { username: "acme" });
    assert.equal(second.outcome.kind, "accepted");
    const reason: CloseReason = await first.session.closed;
    assert.ok("reasonCode" in reason && reason.reasonCode === ReasonCode.SessionTakenOver);
    assert.equal(fixture.gateway.sessionCount(), 1);
  });

  for (const [fields, reasonCode] of [
    [{ clientId: "" }, ReasonCode.ClientIdentifierNotValid],
    [{ clientId: "pump/1" }, ReasonCode.ClientIdentifierNotValid],
    [{ username: "No Tenant" }, ReasonCode.BadUserNameOrPassword],
  ] as const) {
    test(`refuses ${JSON.stringify(fields)}`, async (context) => {
      const fixture = await GatewayFixture.start(context, { insecureMqttPort: 0 });
      const { outcome } = await connectPlain(fixture, fields);
      assert.ok(outcome.kind === "closed" && outcome.reason.cause === "refused");
      assert.equal(outcome.reason.reasonCode, reasonCode);
    });
  }

  test("a device that the center does not know is closed", async (context) => {
    const fixture = await GatewayFixture.start(context, { insecureMqttPort: 0 });
    const { session } = await connectPlain(fixture, { clientId: "stranger" });
    const reason = await session.closed;
    assert.ok("reasonCode" in reason && reason.reasonCode === ReasonCode.NotAuthorized);
  });
});
