// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { describe, test } from "node:test";
import { SessionCloseReason } from "../../../protocol/gen/muster/v1/gateway_pb.ts";
import { askCoap, COAP_CLIENT, observeCoap, type CoapCall } from "../../helpers/coap-client.ts";
import { haveTools, type ToolResult } from "../../helpers/tools.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import { report } from "./test-device.ts";
import { waitUntil } from "./wait-until.ts";

const HELLO = { protocol: 1, agent: "libcoap/4", codec: "json", inventory: {}, slots: {} };

class CoapDevice {
  readonly #fixture: GatewayFixture;
  readonly #device: string;

  constructor(fixture: GatewayFixture, device = "pump-1") {
    this.#fixture = fixture;
    this.#device = device;
  }

  ask(path: string, call: Partial<CoapCall> = {}): Promise<ToolResult> {
    return askCoap({ ...this.#where(), path, ...call }, this.#fixture.folder.path);
  }

  observe(): ReturnType<typeof observeCoap> {
    return observeCoap({ ...this.#where(), path: "v1/offer" }, 20, this.#fixture.folder.path);
  }

  async hello(): Promise<void> {
    await this.#fixture.enrol(this.#device);
    const { stderr } = await this.ask("v1/hello", { payload: HELLO });
    assert.equal(stderr, "");
    await waitUntil("the device is announced", () =>
      this.#fixture.center
        .saidOf("sessionOpen")
        .some(({ devices }) => devices.includes(this.#device)),
    );
  }

  #where(): { port: number; device: string } {
    const port = this.#fixture.gateway.insecureCoapPort;
    assert.ok(port !== null);
    return { port, device: this.#device };
  }
}

function offer(fixture: GatewayFixture, payload: string): void {
  fixture.center.send({
    case: "planLease",
    value: {
      $typeName: "muster.v1.PlanLease",
      leaseId: "l-1",
      rollout: 1,
      stopEpoch: 1n,
      timeToLiveMs: 30_000,
      positions: [0],
      ordinals: [fixture.ordinalOf("pump-1")],
      generations: [7],
      offers: [Buffer.from(payload)],
    },
  });
}

describe("libcoap's client on the insecure listener", () => {
  test("says hello, sends heartbeats and a long hello in blocks, and leaves", async (context) => {
    if (!(await haveTools(context, COAP_CLIENT))) return;
    const fixture = await GatewayFixture.start(context, { insecureCoapPort: 0 });
    const device = new CoapDevice(fixture);
    const early = await device.ask("v1/heartbeat", { payload: { sequence: 1, slots: {} } });
    assert.match(early.stderr, /4\.09 no session/);
    await device.hello();
    const beat = await device.ask("v1/heartbeat", { payload: { sequence: 1, slots: {} } });
    assert.equal(beat.stderr, "");
    const broken = await device.ask("v1/heartbeat", { payload: { sequence: -1 } });
    assert.match(broken.stderr, /4\.00/);
    const inventory = Object.fromEntries(
      Array.from({ length: 20 }, (_, index) => [`fact${index}`, "x".repeat(200)]),
    );
    const long = await device.ask("v1/hello", { payload: { ...HELLO, inventory } });
    assert.equal(long.stderr, "");
    await waitUntil("the inventory went up", () =>
      fixture.center
        .saidOf("deviceHello")
        .some(({ inventoriesJson }) => inventoriesJson[0] === JSON.stringify(inventory)),
    );
    await device.ask("v1/hello", { method: "delete" });
    await waitUntil("the session is closed", () => fixture.gateway.sessionCount() === 0);
    assert.equal(await fixture.metric("coap_answers_total", { code: "2.04" }), 3);
  });

  test("observes its offers, however long, and reports", async (context) => {
    if (!(await haveTools(context, COAP_CLIENT))) return;
    const fixture = await GatewayFixture.start(context, { insecureCoapPort: 0 });
    const device = new CoapDevice(fixture);
    await device.hello();
    await using watch = device.observe();
    const text = JSON.stringify({ offer: 7, padding: "x".repeat(3_000) });
    let heard = "";
    watch.child.stdout?.on("data", (chunk: string) => (heard += chunk.replaceAll("\n", "")));
    offer(fixture, text);
    await waitUntil("the offer has come", () => heard === text);
    const answer = await device.ask("v1/report", { payload: report(7, "accepted") });
    assert.equal(answer.stderr, "");
    assert.deepEqual(fixture.center.saidOf("reports")[0]?.generations, [7]);
  });

  test("waits for its report's answer until the center has it", async (context) => {
    if (!(await haveTools(context, COAP_CLIENT))) return;
    const fixture = await GatewayFixture.start(context, { insecureCoapPort: 0 });
    const device = new CoapDevice(fixture);
    await device.hello();
    fixture.center.acknowledgesReports = false;
    let isAnswered = false;
    const asked = device.ask("v1/report", { payload: report(7, "accepted") }).then((result) => {
      isAnswered = true;
      return result;
    });
    await waitUntil("it is held", () => fixture.center.saidOf("reports").length === 1);
    assert.equal(isAnswered, false);
    fixture.center.acknowledge(1n);
    assert.equal((await asked).stderr, "");
  });

  test("reports once although its first datagram is lost", async (context) => {
    if (!(await haveTools(context, COAP_CLIENT))) return;
    const fixture = await GatewayFixture.start(context, { insecureCoapPort: 0 });
    const device = new CoapDevice(fixture);
    await device.hello();
    const words = ["-l", "1"];
    const result = await device.ask("v1/report", { payload: report(7, "accepted"), words });
    assert.equal(result.stderr, "");
    assert.equal(fixture.center.saidOf("reports").flatMap(({ ordinals }) => ordinals).length, 1);
  });

  test("is offline after its silence, and refused when nobody knows it", async (context) => {
    if (!(await haveTools(context, COAP_CLIENT))) return;
    const options = { insecureCoapPort: 0, heartbeatIntervalMs: 500 };
    const fixture = await GatewayFixture.start(context, options);
    await new CoapDevice(fixture).hello();
    await waitUntil("it is offline", () => fixture.center.saidOf("sessionClose").length > 0);
    const [close] = fixture.center.saidOf("sessionClose");
    assert.deepEqual(close?.reasons, [SessionCloseReason.MISSED_HEARTBEATS]);
    const stranger = new CoapDevice(fixture, "stranger");
    await stranger.ask("v1/hello", { payload: HELLO });
    await waitUntil("it is turned away", () => fixture.gateway.sessionCount() === 0);
    assert.match((await stranger.ask("v1/hello", { payload: HELLO })).stderr, /4\.03/);
  });
});

describe("the insecure listener", () => {
  test("is there only where the operator asks for it", async (context) => {
    const fixture = await GatewayFixture.start(context);
    assert.equal(fixture.gateway.insecureCoapPort, null);
  });

  test("on a port that is taken is one clear error", async (context) => {
    const taken = createSocket("udp4");
    await new Promise<void>((resolve) => taken.bind(0, "127.0.0.1", resolve));
    context.after(() => taken.close());
    const { port } = taken.address();
    await assert.rejects(GatewayFixture.start(context, { insecureCoapPort: port }), {
      code: "failed_precondition",
      message: /^cannot open the insecure CoAP listener on 127.0.0.1:\d+: the port is taken/,
    });
  });
});
