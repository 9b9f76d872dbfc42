// SPDX-License-Identifier: Apache-2.0
/** A center that takes reports and does not say that it has them: what waits for it grows. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { PaceMessage } from "../../../protocol/device/pace.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import { report } from "./test-device.ts";
import { waitUntil } from "./wait-until.ts";

const LIMIT = 20;
const SLOWER: PaceMessage = { pace: { heartbeatIntervalMs: 30_000, validMs: 120_000 } };
const USUAL: PaceMessage = { pace: { heartbeatIntervalMs: 5_000, validMs: 0 } };
/** Two rounds over all devices, and what comes before. */
const ROUNDS_MS = 15_000;

test("while too much waits for the center, ordinary devices report less often", async (context) => {
  const fixture = await GatewayFixture.start(context, { backlogLimit: LIMIT });
  const { center } = fixture;
  center.critical.add("press-1");
  center.acknowledgesReports = false;
  const [pump, press] = [
    await fixture.connectGranted("pump-1"),
    await fixture.connectGranted("press-1"),
  ];
  const reports = Array.from({ length: LIMIT + 1 }, (_, index) =>
    pump.publish("report", report(index + 1, "accepted")),
  );
  await waitUntil("pump-1 is told", () => pump.heardOn("config").length === 1, ROUNDS_MS);
  assert.deepEqual(pump.heardOn("config"), [SLOWER]);
  assert.equal(await fixture.metric("backlog"), LIMIT + 1);
  assert.equal(await fixture.metric("backlog_exceeded"), 1);

  const joiner = await fixture.connect("pump-2");
  await joiner.subscribeDown("config");
  await waitUntil("who joins is told", () => joiner.heardOn("config").length === 1, ROUNDS_MS);
  assert.equal(await fixture.metric("slowed_devices"), 2);
  const heartbeat = await press.publish("heartbeat", { sequence: 1, slots: {} });
  assert.equal(heartbeat.kind, "acknowledged", "heartbeats are taken all the same");

  for (const { batchSequence } of center.saidOf("reports")) center.acknowledge(batchSequence);
  assert.ok((await Promise.all(reports)).every(({ kind }) => kind === "acknowledged"));
  await waitUntil("pump-1 is told", () => pump.heardOn("config").length === 2, ROUNDS_MS);
  await waitUntil("so is pump-2", () => joiner.heardOn("config").length === 2, ROUNDS_MS);
  for (const device of [pump, joiner]) assert.deepEqual(device.heardOn("config"), [SLOWER, USUAL]);
  assert.deepEqual(press.heardOn("config"), [], "a critical device is never slowed down");
  assert.equal(await fixture.metric("backlog_exceeded"), 0);
  assert.equal(await fixture.metric("slowed_devices"), 0);
});

test("with a center that does not say who is critical, nobody is told", async (context) => {
  const fixture = await GatewayFixture.start(context, { backlogLimit: LIMIT });
  const { center } = fixture;
  center.saysWhoIsCritical = false;
  const pump = await fixture.connectGranted("pump-1");
  center.saysWhoIsCritical = true;
  // Its turn in the round comes after that of pump-1.
  const other = await fixture.connectGranted("pump-2");
  center.acknowledgesReports = false;
  for (let number = 0; number <= LIMIT; number += 1) {
    void pump.publish("report", report(number + 1, "accepted"));
  }
  await waitUntil("pump-2 is told", () => other.heardOn("config").length === 1, ROUNDS_MS);
  assert.deepEqual(pump.heardOn("config"), []);
});
