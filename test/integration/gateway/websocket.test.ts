// SPDX-License-Identifier: Apache-2.0
/** MQTT over WebSocket on the gateway's TLS port: with npm's mqtt, and frame by frame. */
import assert from "node:assert/strict";
import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import { describe, test, type TestContext } from "node:test";
import { connect } from "node:tls";
import { connectAsync, type MqttClient } from "mqtt";
import { WebSocket } from "ws";
import { GatewayFixture } from "./gateway-fixture.ts";
import { takeOfferAndReport } from "./npm-device.ts";
import { waitUntil } from "./wait-until.ts";

const PREFIX = "muster/v1/default/pump-1";
/** CONNECT at level 5 as `pump-1`, keep alive 10 s. */
const CONNECT = Buffer.from("101300044d5154540502000a00000670756d702d31", "hex");
const PINGREQ = Buffer.from("c000", "hex");
const PINGRESP = "d000";

async function connectNpmClient(
  context: TestContext,
  fixture: GatewayFixture,
  options: { protocolVersion: 4 | 5; alpn: readonly string[] | null; clientId?: string },
): Promise<MqttClient> {
  const { key, cert, ca } = await fixture.enrol("pump-1");
  const { protocolVersion, alpn, clientId = "pump-1" } = options;
  const client = await connectAsync(`wss://localhost:${fixture.gateway.mqttsPort}/mqtt`, {
    wsOptions: { key, cert, ca, ...(alpn === null ? {} : { ALPNProtocols: alpn }) },
    clientId,
    protocolVersion,
    keepalive: 10,
    reconnectPeriod: 0,
  });
  context.after(() => client.endAsync(true));
  return client;
}

interface OpenOptions {
  readonly path?: string;
  readonly protocols?: readonly string[];
}

async function open(fixture: GatewayFixture, options: OpenOptions = {}): Promise<Frames> {
  const { key, cert, ca } = await fixture.enrol("pump-1");
  const { path = "/mqtt", protocols = ["mqtt"] } = options;
  const url = `wss://localhost:${fixture.gateway.mqttsPort}${path}`;
  const webSocket = new WebSocket(url, [...protocols], { key, cert, ca });
  const frames = new Frames(webSocket);
  await once(webSocket, "open");
  return frames;
}

/** What a client of frames hears. */
class Frames {
  readonly webSocket: WebSocket;
  /** Hex of each frame; "text" of one that is not binary. */
  readonly heard: string[] = [];
  closeCode: number | null = null;

  constructor(webSocket: WebSocket) {
    this.webSocket = webSocket;
    webSocket.on("message", (data: Buffer, isBinary) => {
      this.heard.push(isBinary ? data.toString("hex") : "text");
    });
    webSocket.on("close", (code) => {
      this.closeCode = code;
    });
  }

  get bytes(): string {
    return this.heard.join("");
  }
}

/** Status and text of the answer to an upgrade that is refused. */
async function refusal(
  fixture: GatewayFixture,
  headers: Record<string, string>,
  path = "/mqtt",
): Promise<string> {
  const { key, cert, ca } = await fixture.enrol("pump-1");
  const port = fixture.gateway.mqttsPort;
  const outgoing = request({ host: "localhost", port, path, key, cert, ca, headers });
  outgoing.end();
  const [response] = (await once(outgoing, "response")) as [IncomingMessage];
  let text = "";
  for await (const chunk of response) text += String(chunk);
  return `${response.statusCode} ${text.trim()}`;
}

const UPGRADE = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};

describe("MQTT over WebSocket", () => {
  for (const protocolVersion of [4, 5] as const) {
    for (const alpn of [null, ["http/1.1"]]) {
      const how = alpn === null ? "without ALPN" : "by ALPN";
      test(`npm's mqtt reports at level ${protocolVersion}, ${how}`, async (context) => {
        const fixture = await GatewayFixture.start(context);
        const client = await connectNpmClient(context, fixture, { protocolVersion, alpn });
        await takeOfferAndReport(fixture, client, { prefix: PREFIX, device: "pump-1" });
      });
    }
  }

  test("the certificate decides here, too, whose topics these are", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const other = { protocolVersion: 5, alpn: null, clientId: "pump-2" } as const;
    await assert.rejects(connectNpmClient(context, fixture, other), { code: 0x85 });
  });

  test("frames may split packets and join them", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const frames = await open(fixture);
    const { webSocket } = frames;
    for (const byte of CONNECT) webSocket.send(Buffer.from([byte]));
    await waitUntil("it is welcome", () => frames.bytes.startsWith("20"));
    const welcomeCharacters = frames.bytes.length;
    webSocket.send(Buffer.concat([PINGREQ, PINGREQ, PINGREQ.subarray(0, 1)]));
    webSocket.send(PINGREQ.subarray(1));
    await waitUntil("all three are answered", () =>
      frames.bytes.slice(welcomeCharacters).startsWith(PINGRESP.repeat(3)),
    );
    // One frame for the answers to one frame, and none that is not binary.
    assert.deepEqual(frames.heard.slice(1), [PINGRESP.repeat(2), PINGRESP]);
    webSocket.terminate();
  });

  test("a frame of text closes", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const frames = await open(fixture);
    frames.webSocket.send(CONNECT);
    await waitUntil("it is welcome", () => frames.bytes !== "");
    frames.webSocket.send("c000");
    await waitUntil("it is closed", () => frames.closeCode !== null);
    assert.equal(frames.closeCode, 1003);
    await waitUntil("the session is over", () => fixture.gateway.sessionCount() === 0);
  });

  test("without the subprotocol it is refused", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const sentence = "400 offer the WebSocket subprotocol mqtt";
    assert.equal(await refusal(fixture, UPGRADE), sentence);
    const other = { ...UPGRADE, "sec-websocket-protocol": "mqttv3.1" };
    assert.equal(await refusal(fixture, other), sentence);
  });

  test("the subprotocol is mqtt, whatever else is offered", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const { webSocket } = await open(fixture, { protocols: ["mqttv3.1", "mqtt"] });
    assert.equal(webSocket.protocol, "mqtt");
    webSocket.terminate();
  });

  test("elsewhere than at /mqtt it is refused", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const named = { ...UPGRADE, "sec-websocket-protocol": "mqtt" };
    assert.match(await refusal(fixture, named, "/"), /^404 MQTT over WebSocket is at \/mqtt$/);
  });

  test("a message of the largest size is taken, and a larger one closes", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const frames = await open(fixture);
    frames.webSocket.send(CONNECT);
    await waitUntil("it is welcome", () => frames.bytes !== "");
    const before = frames.bytes.length;
    frames.webSocket.send(Buffer.concat(Array.from({ length: 32_768 }, () => PINGREQ)));
    await waitUntil("all are answered", () => frames.bytes.length - before === 32_768 * 4);
    frames.webSocket.send(Buffer.alloc(65_537));
    await waitUntil("it is closed", () => frames.closeCode !== null);
    assert.equal(frames.closeCode, 1009);
    await waitUntil("the session is over", () => fixture.gateway.sessionCount() === 0);
  });

  test("who says no CONNECT is closed at the deadline", async (context) => {
    const fixture = await GatewayFixture.start(context, {
      connectDeadlineMs: 200,
      detectionMs: 80,
    });
    const frames = await open(fixture);
    await waitUntil("it is closed", () => frames.closeCode !== null);
    assert.equal(frames.closeCode, 1000);
    assert.equal(await fixture.metric("closes_total", { cause: "connect-timeout" }), 1);
  });

  test("who asks for nothing is closed at the same deadline", async (context) => {
    const fixture = await GatewayFixture.start(context, { connectDeadlineMs: 200 });
    const { key, cert, ca } = await fixture.enrol("pump-1");
    const port = fixture.gateway.mqttsPort;
    const socket = connect({ port, key, cert, ca, ALPNProtocols: ["http/1.1"] });
    let said = "";
    socket.on("data", (chunk) => void (said += String(chunk)));
    await once(socket, "close", { signal: AbortSignal.timeout(10_000) });
    assert.match(said, /^HTTP\/1\.1 408 /);
  });

  test("another application protocol is refused in the handshake", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const { key, cert, ca } = await fixture.enrol("pump-1");
    const port = fixture.gateway.mqttsPort;
    const socket = connect({ port, key, cert, ca, ALPNProtocols: ["h2"] });
    const [error] = (await once(socket, "error")) as [NodeJS.ErrnoException];
    assert.equal(error.code, "ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL");
  });

  test("who sends and does not read is cut off", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const frames = await open(fixture);
    frames.webSocket.send(CONNECT);
    await waitUntil("it is welcome", () => frames.bytes !== "");
    frames.webSocket.pause();
    const many = Buffer.concat(Array.from({ length: 16_384 }, () => PINGREQ));
    await waitUntil("it is cut off", () => {
      if (frames.webSocket.bufferedAmount < many.length) frames.webSocket.send(many);
      return fixture.gateway.sessionCount() === 0;
    });
    assert.equal(await fixture.metric("closes_total", { cause: "slow" }), 1);
    frames.webSocket.terminate();
  });

  test("a gateway that ends says so, and closes the WebSocket", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const frames = await open(fixture);
    frames.webSocket.send(CONNECT);
    await waitUntil("it is welcome", () => frames.bytes !== "");
    await fixture.gateway.stop();
    await waitUntil("it is closed", () => frames.closeCode !== null);
    assert.equal(frames.closeCode, 1000);
    assert.match(frames.bytes, /e0018b$/);
  });
});
