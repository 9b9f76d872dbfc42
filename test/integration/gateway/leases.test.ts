// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { GatewayFixture } from "./gateway-fixture.ts";
import { report, type TestDevice } from "./test-device.ts";
import { waitUntil } from "./wait-until.ts";

interface LeaseOptions {
  readonly id: string;
  readonly generation: number;
  readonly stopEpoch?: bigint;
  readonly timeToLiveMs?: number;
}

/** Leases one attempt of a device; its offer is `{"offer": generation}`. */
function lease(fixture: GatewayFixture, device: string, options: LeaseOptions): void {
  const { id, generation } = options;
  fixture.center.send({
    case: "planLease",
    value: {
      $typeName: "muster.v1.PlanLease",
      leaseId: id,
      rollout: 1,
      stopEpoch: options.stopEpoch ?? 1n,
      timeToLiveMs: options.timeToLiveMs ?? 30_000,
      positions: [generation],
      ordinals: [fixture.ordinalOf(device)],
      generations: [generation],
      offers: [Buffer.from(JSON.stringify({ offer: generation }))],
    },
  });
}

function stopEpoch(fixture: GatewayFixture, epoch: bigint): void {
  const value = { $typeName: "muster.v1.StopEpoch" as const, rollout: 1, stopEpoch: epoch };
  fixture.center.send({ case: "stopEpoch", value });
}

async function isOffered(device: TestDevice, generation: number): Promise<void> {
  await waitUntil(`generation ${generation} is offered`, () =>
    device.heardOn("offer").some((offer) => JSON.stringify(offer) === `{"offer":${generation}}`),
  );
}

async function isReturned(fixture: GatewayFixture, leaseId: string): Promise<boolean[]> {
  const find = (): boolean[] | undefined =>
    fixture.center.saidOf("leaseReturn").find((entry) => entry.leaseId === leaseId)?.sent;
  await waitUntil(`lease ${leaseId} is returned`, () => find() !== undefined);
  return find() ?? [];
}

describe("plan leases", () => {
  test("an offer goes to the connected device at once", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connectGranted("pump-1");
    lease(fixture, "pump-1", { id: "l-1", generation: 7 });
    await isOffered(device, 7);
    assert.equal(await fixture.metric("offers_total", { outcome: "sent" }), 1);
  });

  test("an offer waits for the device's subscription", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connect("pump-1");
    await waitUntil("it is announced", () =>
      fixture.center.saidOf("sessionOpen").some(({ devices }) => devices.length > 0),
    );
    lease(fixture, "pump-1", { id: "l-1", generation: 7 });
    await waitUntil("the lease is held", () => fixture.center.saidOf("heartbeat").length > 0);
    await device.publish("log", "no offer yet");
    assert.deepEqual(device.heardOn("offer"), []);
    await device.subscribeDown("#");
    await isOffered(device, 7);
  });

  test("an attempt of a device that is not here comes back unsent", async (context) => {
    const fixture = await GatewayFixture.start(context);
    await fixture.enrol("pump-9");
    lease(fixture, "pump-9", { id: "l-9", generation: 7 });
    assert.deepEqual(await isReturned(fixture, "l-9"), [false]);
  });

  test("an attempt comes back when its session ends unanswered", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connectGranted("pump-1");
    lease(fixture, "pump-1", { id: "l-1", generation: 7 });
    await isOffered(device, 7);
    await device.session.disconnect();
    assert.deepEqual(await isReturned(fixture, "l-1"), [true]);
  });

  test("an answered attempt does not come back", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connectGranted("pump-1");
    lease(fixture, "pump-1", { id: "l-1", generation: 7 });
    lease(fixture, "pump-1", { id: "l-2", generation: 8 });
    await isOffered(device, 8);
    await device.publish("report", report(7, "accepted"));
    await device.session.disconnect();
    await isReturned(fixture, "l-2");
    assert.deepEqual(
      fixture.center.saidOf("leaseReturn").map(({ leaseId }) => leaseId),
      ["l-2"],
    );
  });

  test("an expired lease offers nothing and comes back", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connect("pump-1");
    await waitUntil("it is announced", () =>
      fixture.center.saidOf("sessionOpen").some(({ devices }) => devices.length > 0),
    );
    lease(fixture, "pump-1", { id: "l-1", generation: 7, timeToLiveMs: 300 });
    assert.deepEqual(await isReturned(fixture, "l-1"), [false]);
    await device.subscribeDown();
    lease(fixture, "pump-1", { id: "l-2", generation: 8 });
    await isOffered(device, 8);
    assert.deepEqual(device.heardOn("offer"), [{ offer: 8 }]);
  });

  test("a renewed lease lives on, a revoked one comes back", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connect("pump-1");
    await waitUntil("it is announced", () =>
      fixture.center.saidOf("sessionOpen").some(({ devices }) => devices.length > 0),
    );
    lease(fixture, "pump-1", { id: "kept", generation: 7, timeToLiveMs: 400 });
    lease(fixture, "pump-1", { id: "revoked", generation: 8 });
    fixture.center.send({
      case: "leaseRenewal",
      value: {
        $typeName: "muster.v1.LeaseRenewal",
        leaseIds: ["kept"],
        timeToLiveMs: 30_000,
        revokedLeaseIds: ["revoked"],
      },
    });
    lease(fixture, "pump-1", { id: "short", generation: 9, timeToLiveMs: 600 });
    assert.deepEqual(await isReturned(fixture, "revoked"), [false]);
    await isReturned(fixture, "short");
    await device.subscribeDown();
    await isOffered(device, 7);
    assert.deepEqual(device.heardOn("offer"), [{ offer: 7 }]);
  });

  test("a stop withdraws, returns, and is acknowledged last", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const offered = await fixture.connectGranted("pump-1");
    const accepted = await fixture.connectGranted("pump-2");
    await fixture.connect("pump-3");
    await waitUntil("it is announced", () =>
      fixture.center.saidOf("sessionOpen").some(({ devices }) => devices.includes("pump-3")),
    );
    lease(fixture, "pump-1", { id: "l-1", generation: 7 });
    lease(fixture, "pump-2", { id: "l-2", generation: 8 });
    lease(fixture, "pump-3", { id: "l-3", generation: 9 });
    await isOffered(offered, 7);
    await isOffered(accepted, 8);
    await accepted.publish("report", report(8, "accepted"));
    stopEpoch(fixture, 2n);
    await waitUntil("the stop is acknowledged", () =>
      fixture.center.saidOf("stopAcknowledgement").some((stop) => stop.stopEpoch === 2n),
    );
    assert.deepEqual(
      fixture.center.saidOf("leaseReturn").map(({ leaseId, sent }) => [leaseId, sent]),
      [["l-3", [false]]],
    );
    const kinds = fixture.center.said.map((message) => message.case);
    assert.ok(kinds.indexOf("leaseReturn") < kinds.indexOf("stopAcknowledgement"));
    await waitUntil("the offer is withdrawn", () => offered.heardOn("offer").length === 2);
    assert.deepEqual(offered.heardOn("offer")[1], { withdraw: { rollout: 1, generation: 7 } });
    assert.deepEqual(accepted.heardOn("offer"), [{ offer: 8 }]);
    // Nothing of the older epoch is offered any more, something of the new one is.
    lease(fixture, "pump-1", { id: "old", generation: 10, stopEpoch: 1n });
    assert.deepEqual(await isReturned(fixture, "old"), [false]);
    lease(fixture, "pump-1", { id: "new", generation: 11, stopEpoch: 2n });
    await isOffered(offered, 11);
    assert.equal(offered.heardOn("offer").length, 3);
  });

  test("a stop is followed until its devices have confirmed, answered or gone", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const confirming = await fixture.connectGranted("pump-1");
    const leaving = await fixture.connectGranted("pump-2");
    const answering = await fixture.connectGranted("pump-3");
    lease(fixture, "pump-1", { id: "l-1", generation: 7 });
    lease(fixture, "pump-2", { id: "l-2", generation: 8 });
    lease(fixture, "pump-3", { id: "l-3", generation: 9 });
    await isOffered(confirming, 7);
    await isOffered(leaving, 8);
    await isOffered(answering, 9);
    // These two take nothing more from their sockets: they cannot acknowledge the withdrawal.
    leaving.socket.pause();
    answering.socket.pause();
    stopEpoch(fixture, 2n);
    const counts = (): number[][] =>
      fixture.center
        .saidOf("stopAcknowledgement")
        .filter((stop) => stop.stopEpoch === 2n)
        .map(({ counts: c }) => [c?.held, c?.told, c?.confirmed, c?.answered, c?.gone].map(Number));
    await waitUntil("one has confirmed", () => counts().at(-1)?.[2] === 1);
    assert.deepEqual(counts().at(-1), [3, 3, 1, 0, 0]);
    leaving.socket.destroy();
    void answering.publish("report", report(9, "accepted"));
    await waitUntil("all are accounted for", () => counts().at(-1)?.[4] === 1);
    await waitUntil("all are accounted for", () => counts().at(-1)?.[3] === 1);
    assert.deepEqual(counts().at(-1), [3, 3, 1, 1, 1]);
  });

  test("leased offers go on while the center is away", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = await fixture.connect("pump-1");
    await waitUntil("it is announced", () =>
      fixture.center.saidOf("sessionOpen").some(({ devices }) => devices.length > 0),
    );
    lease(fixture, "pump-1", { id: "l-1", generation: 7 });
    lease(fixture, "pump-9", { id: "l-9", generation: 7 });
    await isReturned(fixture, "l-9"); // So the lease before it is held.
    await fixture.center.kill();
    await waitUntil("the gateway notices", () => !fixture.gateway.isLinked());
    await device.subscribeDown();
    await isOffered(device, 7);
  });

  test("a restart in the same boot goes on under its leases", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const first = await fixture.connectGranted("pump-1");
    await fixture.connectGranted("pump-2");
    lease(fixture, "pump-1", { id: "l-1", generation: 7 });
    await isOffered(first, 7);
    await fixture.crashGateway();
    await fixture.center.kill();
    await fixture.startGateway();
    const again = await fixture.connect("pump-1");
    await again.subscribeDown();
    await isOffered(again, 7);
    fixture.center.said.length = 0;
    await fixture.center.start();
    await waitUntil("the hello comes", () => fixture.center.saidOf("hello").length === 1);
    assert.deepEqual(fixture.center.saidOf("hello")[0]?.heldLeaseIds, ["l-1"]);
    fixture.center.send({
      case: "leaseRenewal",
      value: {
        $typeName: "muster.v1.LeaseRenewal",
        leaseIds: [],
        timeToLiveMs: 0,
        revokedLeaseIds: ["l-1"],
      },
    });
    await again.session.disconnect();
    assert.deepEqual(await isReturned(fixture, "l-1"), [true]);
  });

  test("leases of another boot are expired", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const first = await fixture.connectGranted("pump-1");
    lease(fixture, "pump-1", { id: "l-1", generation: 7 });
    await isOffered(first, 7);
    await fixture.crashGateway();
    await fixture.rewriteLeaseFile((state) => ({ ...state, bootId: "another" }));
    fixture.center.said.length = 0;
    await fixture.startGateway();
    await waitUntil("the hello comes", () => fixture.center.saidOf("hello").length > 0);
    assert.deepEqual(fixture.center.saidOf("hello")[0]?.heldLeaseIds, []);
  });
});
