// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { PublishOutcome } from "../../../protocol/mqtt/client-outcomes.ts";
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import { report } from "./test-device.ts";
import { waitUntil } from "./wait-until.ts";

/** An outcome that can be looked at before it is there. */
function watched(promise: Promise<PublishOutcome>): { outcome: PublishOutcome | null } {
  const box: { outcome: PublishOutcome | null } = { outcome: null };
  void promise.then((outcome) => {
    box.outcome = outcome;
  });
  return box;
}

const ACKNOWLEDGED = {
  kind: "acknowledged",
  reasonCode: ReasonCode.Success,
  properties: undefined,
};

describe("reports", () => {
  test("a report is acknowledged when the center has it, and not before", async (context) => {
    const fixture = await GatewayFixture.start(context);
    fixture.center.acknowledgesReports = false;
    const device = await fixture.connectGranted("pump-1");
    const sent = watched(device.publish("report", report(7, "accepted")));
    await waitUntil("the report is up", () => fixture.center.saidOf("reports").length === 1);
    // A heartbeat behind it is answered behind it: when nothing is answered, neither is.
    const behind = watched(device.publish("heartbeat", { sequence: 1, slots: {} }));
    await device.session.subscribe(["muster/v1/default/pump-1/down/config"], { qos: 1 });
    assert.deepEqual([sent.outcome, behind.outcome], [null, null]);
    fixture.center.acknowledge(1n);
    await waitUntil("both are answered", () => sent.outcome !== null && behind.outcome !== null);
    assert.deepEqual([sent.outcome, behind.outcome], [ACKNOWLEDGED, ACKNOWLEDGED]);
  });

  test("a gateway that stops closes a device when its reports are answered", async (context) => {
    const fixture = await GatewayFixture.start(context);
    fixture.center.acknowledgesReports = false;
    const busy = await fixture.connectGranted("pump-1");
    const idle = await fixture.connectGranted("pump-2");
    const sent = watched(busy.publish("report", report(7, "accepted")));
    await waitUntil("the report is up", () => fixture.center.saidOf("reports").length === 1);
    const stopped = fixture.gateway.stop();
    await waitUntil("the idle device is closed", () => idle.closeReason !== null);
    assert.equal(busy.closeReason, null);
    fixture.center.acknowledge(1n);
    await stopped;
    assert.deepEqual(sent.outcome, ACKNOWLEDGED);
    await waitUntil("the other one is closed, too", () => busy.closeReason !== null);
  });

  test("what the device said arrives in columns", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connectGranted("pump-1");
    await device.publish("report", {
      rollout: 3,
      position: 41,
      generation: 8,
      sequence: 2,
      phase: "failed",
      reason: "download-failed",
      detail: "no route",
      digest: "a".repeat(64),
      atMs: 1_234,
    });
    const [batch] = fixture.center.saidOf("reports");
    assert.ok(batch !== undefined);
    assert.equal(batch.batchSequence, 1n);
    assert.deepEqual(batch.ordinals, [fixture.ordinalOf("pump-1")]);
    assert.deepEqual([batch.rollouts, batch.positions, batch.generations], [[3], [41], [8]]);
    assert.deepEqual([batch.sequences, batch.phases, batch.deviceTimesMs], [[2], [7], [1_234n]]);
    assert.deepEqual(
      batch.details.map(({ index, reason, text }) => [index, reason, text]),
      [[0, "download-failed", "no route"]],
    );
  });

  test("reports of a center that went away go up again when it is back", async (context) => {
    const fixture = await GatewayFixture.start(context);
    fixture.center.acknowledgesReports = false;
    const device = await fixture.connectGranted("pump-1");
    const sent = [1, 2, 3].map((generation) =>
      watched(device.publish("report", report(generation, "accepted"))),
    );
    await waitUntil("they are up", () => fixture.center.saidOf("reports").length === 1);
    await fixture.center.kill();
    await waitUntil("the gateway notices", () => !fixture.gateway.isLinked());
    sent.push(watched(device.publish("report", report(4, "accepted"))));
    assert.deepEqual(
      (await device.publish("heartbeat", { sequence: 9, slots: {} }, 0)).kind,
      "sent",
    );
    fixture.center.said.length = 0;
    fixture.center.acknowledgesReports = true;
    await fixture.center.start();
    await waitUntil("all are answered", () => sent.every(({ outcome }) => outcome !== null));
    assert.deepEqual(
      sent.map(({ outcome }) => outcome),
      [ACKNOWLEDGED, ACKNOWLEDGED, ACKNOWLEDGED, ACKNOWLEDGED],
    );
    const batches = fixture.center.saidOf("reports");
    assert.deepEqual(
      batches.map(({ batchSequence }) => batchSequence),
      [1n, 2n],
    );
    assert.deepEqual(
      batches.flatMap(({ generations }) => generations),
      [1, 2, 3, 4],
    );
    assert.equal(await fixture.metric("held_reports"), 0);
  });

  test("reports of a session without a grant wait for it", async (context) => {
    const fixture = await GatewayFixture.start(context);
    await fixture.center.kill();
    await waitUntil("the gateway notices", () => !fixture.gateway.isLinked());
    const device = await fixture.connect("pump-1");
    const sent = watched(device.publish("report", report(5, "accepted")));
    await fixture.center.start();
    await waitUntil("it is answered", () => sent.outcome !== null);
    assert.deepEqual(fixture.center.saidOf("reports")[0]?.ordinals, [fixture.ordinalOf("pump-1")]);
  });

  test("a 3.1.1 device with more under way than is held is closed", async (context) => {
    const fixture = await GatewayFixture.start(context);
    fixture.center.acknowledgesReports = false;
    const device = await fixture.connect("pump-1", { protocolLevel: 4 });
    for (let generation = 1; generation <= 32; generation += 1) {
      void device.publish("report", report(generation, "accepted"));
    }
    await waitUntil("32 are up", () => {
      const batches = fixture.center.saidOf("reports");
      return batches.reduce((sum, { ordinals }) => sum + ordinals.length, 0) === 32;
    });
    assert.equal(device.session.isOpen, true);
    // The client's own window is full: the next one goes out past it, as a careless client's would.
    const { socket } = device;
    const topic = "muster/v1/default/pump-1/up/log";
    const body = Buffer.concat([Buffer.from([0, topic.length]), Buffer.from(`${topic}\0\x7bx`)]);
    socket.write(Buffer.concat([Buffer.from([0x32, body.length]), body]));
    await waitUntil("the device is closed", () => device.closeReason !== null);
    assert.equal((await fixture.connect("pump-1")).connack?.reasonCode, ReasonCode.Success);
  });

  test("what is no report is refused or dropped, and blocks nobody", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const malformed = [
      "no json",
      "[]",
      { ...report(1, "accepted"), phase: "finished" },
      { ...report(1, "accepted"), extra: true },
      { ...report(1, "accepted"), detail: "x".repeat(9_000) },
    ];
    const newer = await fixture.connectGranted("pump-1");
    const older = await fixture.connect("pump-2", { protocolLevel: 4 });
    for (const message of malformed) {
      const refused = await newer.publish("report", message);
      const { PayloadFormatInvalid } = ReasonCode;
      assert.equal(refused.kind === "acknowledged" && refused.reasonCode, PayloadFormatInvalid);
      assert.deepEqual(await older.publish("report", message), ACKNOWLEDGED);
    }
    assert.deepEqual(await newer.publish("report", report(2, "accepted")), ACKNOWLEDGED);
    assert.deepEqual(await older.publish("report", report(2, "accepted")), ACKNOWLEDGED);
    const count = await fixture.metric("messages_total", {
      channel: "report",
      result: "malformed",
    });
    assert.equal(count, malformed.length * 2);
    assert.equal(fixture.center.saidOf("reports").flatMap(({ ordinals }) => ordinals).length, 2);
  });
});

describe("evidence", () => {
  const status = (digest: string, health = "healthy"): object => ({
    digest,
    version: "1.0.0",
    generation: 3,
    health,
  });
  const hello = (slots: object): object => ({
    protocol: 1,
    agent: "test/1",
    codec: "json",
    inventory: { hwRevision: "r2" },
    slots,
  });

  test("only changes go up, whatever a heartbeat repeats", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connectGranted("pump-1");
    fixture.center.said.length = 0;
    const app = "a".repeat(64);
    await device.publish("hello", hello({ app: status(app) }));
    await waitUntil("the evidence is up", () => fixture.center.saidOf("deviceState").length === 1);
    for (let sequence = 1; sequence <= 20; sequence += 1) {
      await device.publish("heartbeat", { sequence, slots: { app: status(app) } });
    }
    await device.publish("heartbeat", { sequence: 21, slots: { app: status(app, "unhealthy") } });
    await waitUntil("the change is up", () =>
      fixture.center.saidOf("deviceState").some(({ healthy }) => healthy.includes(false)),
    );
    const rows = fixture.center.saidOf("deviceState").flatMap((batch) =>
      batch.ordinals.map((ordinal, row) => ({
        ordinal,
        slot: batch.slots[row],
        digest: batch.digests[row],
        generation: batch.generations[row],
        healthy: batch.healthy[row],
      })),
    );
    const ordinal = fixture.ordinalOf("pump-1");
    assert.deepEqual(rows, [
      { ordinal, slot: "app", digest: app, generation: 3, healthy: true },
      { ordinal, slot: "app", digest: app, generation: 3, healthy: false },
    ]);
  });

  test("a hello follows its evidence, and both come again on a new stream", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connectGranted("pump-1");
    fixture.center.said.length = 0;
    await device.publish("hello", hello({ app: status("b".repeat(64)), os: status("") }));
    const isUp = (): boolean => fixture.center.saidOf("deviceHello").length === 1;
    for (let round = 0; round < 2; round += 1) {
      await waitUntil("the hello is up", isUp);
      const kinds = fixture.center.said.map((message) => message.case);
      assert.ok(kinds.indexOf("deviceState") < kinds.indexOf("deviceHello"));
      const [batch] = fixture.center.saidOf("deviceHello");
      assert.deepEqual(batch?.ordinals, [fixture.ordinalOf("pump-1")]);
      assert.deepEqual(batch?.agents, ["test/1"]);
      assert.deepEqual(JSON.parse(batch?.inventoriesJson[0] ?? ""), { hwRevision: "r2" });
      await fixture.center.kill();
      fixture.center.said.length = 0;
      await fixture.center.start();
    }
  });
});
