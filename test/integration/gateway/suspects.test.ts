// SPDX-License-Identifier: Apache-2.0
/** Whose new connections wait behind everybody else's, and whose never do. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { describe, test } from "node:test";
import { GatewayFixture } from "./gateway-fixture.ts";

const TIMES = 10;
const NO_TLS = Buffer.from("hello, is this TLS?\r\n");

/** Connects, says something or nothing, and closes; resolves when the gateway has closed, too. */
async function comeAndGo(port: number, bytes: Buffer | null): Promise<void> {
  const socket = connect({ host: "127.0.0.1", port });
  socket.on("error", () => undefined);
  await once(socket, "connect");
  if (bytes === null) socket.end();
  else socket.write(bytes);
  socket.resume();
  await once(socket, "close");
}

describe("suspects at the gate", () => {
  test("are not those who look whether somebody is there, and go", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const { mqttsPort } = fixture.gateway;
    for (let time = 0; time < TIMES; time += 1) await comeAndGo(mqttsPort, null);
    await fixture.connectGranted("pump-1");
    assert.equal(await fixture.metric("suspect_addresses"), 0);
  });

  test("are those who speak no TLS, and they may come in", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const { mqttsPort } = fixture.gateway;
    for (let time = 0; time < TIMES; time += 1) await comeAndGo(mqttsPort, NO_TLS);
    assert.equal(await fixture.metric("suspect_addresses"), 1);
    await fixture.connectGranted("pump-1");
  });

  test("are no load balancers, whoever they speak for", async (context) => {
    const fixture = await GatewayFixture.start(context, { proxies: ["127.0.0.1"] });
    const { mqttsPort } = fixture.gateway;
    const header = Buffer.from("PROXY TCP4 198.51.100.7 203.0.113.1 40312 8883\r\n");
    const bytes = Buffer.concat([header, NO_TLS]);
    for (let time = 0; time < TIMES; time += 1) await comeAndGo(mqttsPort, bytes);
    const suspects = await fixture.metric("suspect_addresses");
    assert.equal(suspects, 1, "whom it spoke for");
  });
});
