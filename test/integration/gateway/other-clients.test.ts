// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { writeFile } from "node:fs/promises";
import { describe, test, type TestContext } from "node:test";
import { connectAsync, type IClientOptions, type MqttClient } from "mqtt";
import { haveTools } from "../../helpers/tools.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import { takeOfferAndReport } from "./npm-device.ts";
import { report } from "./test-device.ts";
import { waitUntil } from "./wait-until.ts";

const PREFIX = "muster/v1/default/pump-1";

async function connectNpmClient(
  context: TestContext,
  fixture: GatewayFixture,
  protocolVersion: 4 | 5,
  clientId = "pump-1",
  more: Partial<IClientOptions> = {},
): Promise<MqttClient> {
  const { key, cert, ca } = await fixture.enrol("pump-1");
  const port = fixture.gateway.mqttsPort;
  const client = await connectAsync(`mqtts://localhost:${port}`, {
    key,
    cert,
    ca,
    clientId,
    protocolVersion,
    keepalive: 10,
    reconnectPeriod: 0,
    ...more,
  });
  context.after(() => client.endAsync(true));
  return client;
}

interface MosquittoRun {
  /** null while it runs. */
  readonly status: number | null;
  output(): string;
  /** As a crash does. */
  kill(): void;
  readonly ended: Promise<void>;
}

/** Runs a program of Debian's mosquitto-clients with the device's certificate. */
async function mosquitto(
  fixture: GatewayFixture,
  program: "mosquitto_pub" | "mosquitto_sub",
  more: readonly string[],
): Promise<MosquittoRun> {
  const { key, cert, ca } = await fixture.enrol("pump-1");
  for (const [name, text] of Object.entries({ key, cert, ca })) {
    await writeFile(fixture.folder.join(`${name}.pem`), text);
  }
  const file = (name: string): string => fixture.folder.join(`${name}.pem`);
  const tls = ["--cafile", file("ca"), "--cert", file("cert"), "--key", file("key"), "--insecure"];
  const port = String(fixture.gateway.mqttsPort);
  const child = spawn(program, ["-h", "127.0.0.1", "-p", port, ...tls, "-k", "10", ...more]);
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Buffer) => {
      output += chunk.toString();
    });
  }
  const result = {
    status: null as number | null,
    output: () => output,
    kill: () => void child.kill("SIGKILL"),
    ended: new Promise<void>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (status) => {
        result.status = status;
        resolve();
      });
    }),
  };
  return result;
}

describe("clients that others wrote", () => {
  for (const protocolVersion of [4, 5] as const) {
    test(`npm's mqtt at level ${protocolVersion} takes an offer and reports`, async (context) => {
      const fixture = await GatewayFixture.start(context);
      const client = await connectNpmClient(context, fixture, protocolVersion);
      await takeOfferAndReport(fixture, client, { prefix: PREFIX, device: "pump-1" });
      const installing = JSON.stringify(report(7, "installing", 2));
      await client.publishAsync(`${PREFIX}/up/report`, installing, { qos: 2 });
      assert.equal(fixture.center.saidOf("reports").length, 2, "at QoS 2, too, and once");
    });
  }

  test("npm's mqtt finds its session after its connection was lost", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const client = await connectNpmClient(context, fixture, 5, "pump-1", {
      clean: false,
      reconnectPeriod: 10,
      properties: { sessionExpiryInterval: 60 },
    });
    const heard: string[] = [];
    client.on("message", (_topic, payload) => void heard.push(String(payload)));
    await client.subscribeAsync(`${PREFIX}/down/offer`, { qos: 1 });
    const announced = (): number =>
      fixture.center.saidOf("sessionOpen").flatMap(({ devices }) => devices).length;
    await waitUntil("it is announced", () => announced() === 1);
    fixture.offer("pump-1");
    await waitUntil("the offer comes", () => heard.length === 1);
    const present: boolean[] = [];
    client.on("connect", ({ sessionPresent }) => void present.push(sessionPresent));
    client.stream.destroy();
    await waitUntil("it is back", () => present.length === 1);
    assert.deepEqual(present, [true]);
    await client.publishAsync(`${PREFIX}/up/report`, JSON.stringify(report(7, "accepted")), {
      qos: 2,
    });
    await waitUntil("it is announced again", () => announced() === 2);
    fixture.offer("pump-1", 8);
    await waitUntil("the next offer comes", () => heard.length === 2);
    assert.deepEqual(heard, ['{"offer":7}', '{"offer":8}']);
  });

  test("npm's mqtt is refused with another device's id", async (context) => {
    const fixture = await GatewayFixture.start(context);
    await assert.rejects(connectNpmClient(context, fixture, 5, "pump-2"), { code: 0x85 });
    await assert.rejects(connectNpmClient(context, fixture, 4, "pump-2"), { code: 2 });
  });

  test("mosquitto_pub reports, and fails on another device's topic", async (context) => {
    if (!(await haveTools(context, "mosquitto_pub"))) return;
    const fixture = await GatewayFixture.start(context);
    const message = JSON.stringify(report(7, "accepted"));
    const versions = ["311", "5"].flatMap((version) => ["1", "2"].map((qos) => [version, qos]));
    for (const [version = "", qos = ""] of versions) {
      const own = ["-V", version, "-i", "pump-1", "-q", qos, "-t", `${PREFIX}/up/report`];
      const run = await mosquitto(fixture, "mosquitto_pub", [...own, "-m", message]);
      await run.ended;
      assert.equal(run.status, 0, run.output());
    }
    assert.equal(fixture.center.saidOf("reports").length, versions.length);
    const foreign = ["-i", "pump-2", "-q", "1", "-t", "muster/v1/default/pump-2/up/report"];
    const refused = await mosquitto(fixture, "mosquitto_pub", [...foreign, "-m", message]);
    await refused.ended;
    assert.notEqual(refused.status, 0);
  });

  test("mosquitto_sub hears its offer", async (context) => {
    if (!(await haveTools(context, "mosquitto_sub"))) return;
    const fixture = await GatewayFixture.start(context);
    const own = ["-V", "5", "-i", "pump-1", "-q", "1", "-t", `${PREFIX}/down/offer`, "-C", "1"];
    const run = await mosquitto(fixture, "mosquitto_sub", own);
    await waitUntil("it is announced", () =>
      fixture.center.saidOf("sessionOpen").some(({ devices }) => devices.includes("pump-1")),
    );
    fixture.offer("pump-1");
    await run.ended;
    assert.equal(run.output().trim(), '{"offer":7}');
    assert.equal(run.status, 0);
  });

  test("mosquitto_sub -c hears what came while it was away", async (context) => {
    if (!(await haveTools(context, "mosquitto_sub"))) return;
    for (const version of ["311", "5"]) {
      const fixture = await GatewayFixture.start(context);
      const kept = version === "5" ? ["-x", "60"] : [];
      const own = ["-V", version, "-i", "pump-1", "-q", "1", "-t", `${PREFIX}/down/offer`, "-c"];
      const words = [...own, ...kept, "-C", "1"];
      const first = await mosquitto(fixture, "mosquitto_sub", words);
      await waitUntil("it is announced", () =>
        fixture.center.saidOf("sessionOpen").some(({ devices }) => devices.includes("pump-1")),
      );
      fixture.offer("pump-1");
      await first.ended;
      assert.equal(first.output().trim(), '{"offer":7}');
      await waitUntil("it is away", () => fixture.gateway.sessionCount() === 0);
      fixture.offer("pump-1", 8);
      const second = await mosquitto(fixture, "mosquitto_sub", words);
      await second.ended;
      assert.equal(second.output().trim(), '{"offer":8}');
    }
  });

  test("mosquitto_sub leaves its will when it is killed", async (context) => {
    if (!(await haveTools(context, "mosquitto_sub"))) return;
    const fixture = await GatewayFixture.start(context);
    const taken = (): number =>
      fixture.center.saidOf("reports").flatMap(({ phases }) => phases).length;
    for (const [index, version] of ["311", "5"].entries()) {
      const own = ["-V", version, "-i", "pump-1", "-q", "1", "-t", `${PREFIX}/down/offer`];
      const payload = JSON.stringify(report(7, "failed", index + 1));
      const will = ["--will-topic", `${PREFIX}/up/report`, "--will-payload", payload];
      const run = await mosquitto(fixture, "mosquitto_sub", [...own, ...will, "--will-qos", "1"]);
      const announced = (): number =>
        fixture.center.saidOf("sessionOpen").flatMap(({ devices }) => devices).length;
      await waitUntil("it is announced", () => announced() === index + 1);
      fixture.offer("pump-1", 7 + index);
      await waitUntil("it is granted", () => run.output() !== "");
      run.kill();
      await run.ended;
      await waitUntil("its will is at the center", () => taken() === index + 1);
    }
  });

  test("npm's mqtt has its will taken after its delay, if it is not back", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const topic = `${PREFIX}/up/report`;
    const will = (sequence: number, willDelayInterval: number): Partial<IClientOptions> => ({
      clean: false,
      properties: { sessionExpiryInterval: 60 },
      will: {
        topic,
        payload: Buffer.from(JSON.stringify(report(7, "failed", sequence))),
        qos: 1,
        retain: false,
        properties: { willDelayInterval },
      },
    });
    const patient = will(1, 30);
    const client = await connectNpmClient(context, fixture, 5, "pump-1", patient);
    const accepted = JSON.stringify(report(7, "accepted", 9));
    await client.publishAsync(topic, accepted, { qos: 1 });
    client.stream.destroy();
    await waitUntil("it is away", () => fixture.gateway.sessionCount() === 0);
    const again = await connectNpmClient(context, fixture, 5, "pump-1", will(2, 1));
    await again.publishAsync(topic, accepted, { qos: 1 });
    again.stream.destroy();
    const taken = (): number[] =>
      fixture.center.saidOf("reports").flatMap(({ sequences }) => sequences);
    await waitUntil("its will is at the center", () => taken().length === 3);
    assert.deepEqual(taken(), [9, 9, 2]);
  });
});
