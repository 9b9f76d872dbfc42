// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { REPORT_PHASES } from "../../../protocol/device/report.ts";
import { haveTools } from "../../helpers/tools.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import { PAHO, PahoDevice } from "./paho-device.ts";
import { report } from "./test-device.ts";
import { waitUntil } from "./wait-until.ts";

const PREFIX = "muster/v1/default/pump-1";
const NEW = { code: 0, present: false };

describe("python's paho", () => {
  for (const level of [4, 5] as const) {
    test(`takes an offer and reports at each QoS, at level ${level}`, async (context) => {
      if (!(await haveTools(context, PAHO))) return;
      const fixture = await GatewayFixture.start(context);
      await using device = await PahoDevice.start(fixture, "pump-1", { level });
      assert.deepEqual(await device.ask({ do: "connect" }), NEW);
      const granted = await device.ask({ do: "subscribe", filter: `${PREFIX}/down/#`, qos: 2 });
      assert.deepEqual(granted, { codes: [1] });
      await waitUntil("it is announced", () =>
        fixture.center.saidOf("sessionOpen").some(({ devices }) => devices.includes("pump-1")),
      );
      fixture.offer("pump-1");
      const offer = { topic: `${PREFIX}/down/offer`, payload: '{"offer":7}', qos: 1, dup: false };
      assert.deepEqual(await device.ask({ do: "hear" }), offer);
      for (const qos of [0, 1, 2]) {
        const payload = JSON.stringify(report(7, "accepted", qos + 1));
        const topic = `${PREFIX}/up/report`;
        assert.deepEqual(await device.ask({ do: "publish", topic, payload, qos }), { code: 0 });
      }
      const taken = (): number =>
        fixture.center.saidOf("reports").reduce((sum, { sequences }) => sum + sequences.length, 0);
      await waitUntil("all of them are at the center", () => taken() === 3);
      assert.deepEqual(await device.ask({ do: "disconnect" }), { code: 0 });
      await waitUntil("its session is over", () => fixture.gateway.sessionCount() === 0);
    });
  }

  for (const level of [4, 5] as const) {
    test(`finds its session when it is back, at level ${level}`, async (context) => {
      if (!(await haveTools(context, PAHO))) return;
      const fixture = await GatewayFixture.start(context);
      await using device = await PahoDevice.start(fixture, "pump-1", { level, expirySeconds: 60 });
      assert.deepEqual(await device.ask({ do: "connect" }), NEW);
      await device.ask({ do: "subscribe", filter: `${PREFIX}/down/#`, qos: 1 });
      await waitUntil("it is announced", () =>
        fixture.center.saidOf("sessionOpen").some(({ devices }) => devices.includes("pump-1")),
      );
      fixture.offer("pump-1");
      await device.ask({ do: "hear" });
      await device.ask({ do: "disconnect" });
      await waitUntil("it is away", () => fixture.gateway.sessionCount() === 0);
      fixture.offer("pump-1", 8);
      assert.deepEqual(await device.ask({ do: "connect" }), { code: 0, present: true });
      const offer = { topic: `${PREFIX}/down/offer`, payload: '{"offer":8}', qos: 1, dup: false };
      assert.deepEqual(await device.ask({ do: "hear" }), offer);
    });
  }

  for (const level of [4, 5] as const) {
    test(`leaves its will when it crashes, at level ${level}`, async (context) => {
      if (!(await haveTools(context, PAHO))) return;
      const fixture = await GatewayFixture.start(context);
      const payload = JSON.stringify(report(7, "failed", 2));
      const will = { topic: `${PREFIX}/up/report`, payload };
      {
        await using polite = await PahoDevice.start(fixture, "pump-1", { level, will });
        await polite.ask({ do: "connect" });
        await polite.ask({ do: "disconnect" });
      }
      await waitUntil("it is away", () => fixture.gateway.sessionCount() === 0);
      {
        await using device = await PahoDevice.start(fixture, "pump-1", { level, will });
        await device.ask({ do: "connect" });
        const topic = `${PREFIX}/up/report`;
        const accepted = JSON.stringify(report(7, "accepted"));
        await device.ask({ do: "publish", topic, payload: accepted, qos: 2 });
      }
      const taken = (): number[] =>
        fixture.center.saidOf("reports").flatMap(({ phases }) => phases);
      await waitUntil("its will is at the center", () => taken().length === 2);
      assert.deepEqual(taken(), [REPORT_PHASES.accepted, REPORT_PHASES.failed]);
    });
  }

  test("is told why a message is refused, at each QoS", async (context) => {
    if (!(await haveTools(context, PAHO))) return;
    const fixture = await GatewayFixture.start(context);
    await using device = await PahoDevice.start(fixture, "pump-1", { level: 5 });
    assert.deepEqual(await device.ask({ do: "connect" }), NEW);
    // At QoS 2 paho goes on after the refusal, and tells of the answer to its PUBREL.
    for (const [qos, codes] of [
      [1, [0x87, 0x99]],
      [2, [0x92, 0x92]],
    ] as const) {
      for (const [index, name] of ["pump-2", "pump-1"].entries()) {
        const topic = `muster/v1/default/${name}/up/report`;
        const answer = await device.ask({ do: "publish", topic, payload: "{}", qos });
        assert.deepEqual(answer, { code: codes[index] });
      }
    }
  });
});
