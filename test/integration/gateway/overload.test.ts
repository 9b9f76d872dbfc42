// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { test, type TestContext } from "node:test";
import { performance } from "node:perf_hooks";
import { GatewayFixture } from "./gateway-fixture.ts";
import { report } from "./test-device.ts";
import { waitUntil } from "./wait-until.ts";

const WORK_MS = 20;

/** Sends a line each time it is asked, when the one before is answered: how did that one fare? */
function lines(send: () => Promise<boolean>): () => boolean | null {
  let isUnderWay = false;
  let result: boolean | null = null;
  return () => {
    const latest = result;
    if (isUnderWay) return null;
    isUnderWay = true;
    void send().then((isShed) => {
      result = isShed;
      isUnderWay = false;
    });
    return latest;
  };
}

/** Keeps the event loop busy from now on. The result ends it, or the test does. */
function keepBusy(context: TestContext): () => void {
  let isOver = false;
  const work = (): void => {
    if (isOver) return;
    for (const startMs = performance.now(); performance.now() - startMs < WORK_MS;);
    setImmediate(work);
  };
  const end = (): void => {
    isOver = true;
  };
  context.after(end);
  work();
  return end;
}

test("a gateway with too much to do sheds telemetry, and nothing else", async (context) => {
  const fixture = await GatewayFixture.start(context);
  const device = await fixture.connectGranted("pump-1");
  const shed = (): Promise<number> => fixture.metric("telemetry_shed_total");
  const isShed = async (): Promise<boolean> => {
    const before = await shed();
    await device.publish("log", { line: 2 });
    return (await shed()) > before;
  };
  const latest = lines(isShed);
  await waitUntil("a line is taken", () => latest() === false);
  const rest = keepBusy(context);
  await waitUntil("a line is shed", () => latest() === true);
  const { kind } = await device.publish("report", report(7, "accepted"));
  assert.equal(kind, "acknowledged");
  assert.equal(fixture.center.saidOf("reports").length, 1);
  const heartbeats = { channel: "heartbeat", result: "taken" };
  const before = await fixture.metric("messages_total", heartbeats);
  await device.publish("heartbeat", { sequence: 1, slots: {} });
  assert.equal(await fixture.metric("messages_total", heartbeats), before + 1);
  rest();
  await waitUntil("a line is taken again", () => latest() === false);
});
