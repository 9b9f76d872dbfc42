// SPDX-License-Identifier: Apache-2.0
/** What a device of npm's mqtt does, whatever its connection goes over. */
import assert from "node:assert/strict";
import type { MqttClient } from "mqtt";
import type { GatewayFixture } from "./gateway-fixture.ts";
import { report } from "./test-device.ts";
import { waitUntil } from "./wait-until.ts";

/** Takes the offer of generation 7 and reports that it was accepted; `prefix`: of its topics. */
export async function takeOfferAndReport(
  fixture: GatewayFixture,
  client: MqttClient,
  { prefix, device }: { readonly prefix: string; readonly device: string },
): Promise<void> {
  const heard: string[] = [];
  client.on("message", (topic, payload) => void heard.push(`${topic} ${String(payload)}`));
  await client.subscribeAsync(`${prefix}/down/#`, { qos: 1 });
  await waitUntil("it is announced", () =>
    fixture.center.saidOf("sessionOpen").some(({ devices }) => devices.includes(device)),
  );
  fixture.offer(device);
  await waitUntil("the offer comes", () => heard.length === 1);
  assert.deepEqual(heard, [`${prefix}/down/offer {"offer":7}`]);
  const message = JSON.stringify(report(7, "accepted"));
  await client.publishAsync(`${prefix}/up/report`, message, { qos: 1 });
  assert.deepEqual(fixture.center.saidOf("reports")[0]?.generations, [7]);
}
