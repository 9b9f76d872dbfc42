// SPDX-License-Identifier: Apache-2.0
/** Everything that a device needs on the one TLS port of its gateway. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import { describe, test, type TestContext } from "node:test";
import { connect, createServer as createTlsServer, type TLSSocket } from "node:tls";
import { connectUntrusted, fetchPinnedAuthority } from "../../../agent/trust/est-client.ts";
import { ENROLMENT_PROTOCOL } from "../../../protocol/device/enrolment.ts";
import { get, publishBlob } from "./artifact-client.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import { waitUntil } from "./wait-until.ts";

async function listening(context: TestContext, server: Server): Promise<string> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  return `https://127.0.0.1:${address.port}`;
}

function enrolling(fixture: GatewayFixture): TLSSocket {
  const ALPNProtocols = [ENROLMENT_PROTOCOL, "http/1.1"];
  const port = fixture.gateway.mqttsPort;
  return connect({ host: "127.0.0.1", port, ALPNProtocols, rejectUnauthorized: false });
}

describe("one port for everything", () => {
  test("artifacts are on it, and the center is told so", async (context) => {
    const fixture = await GatewayFixture.start(context, { artifactsPort: null });
    const { mqttsPort, artifactsPort } = fixture.gateway;
    assert.equal(artifactsPort, mqttsPort);
    const services = fixture.center
      .saidOf("hello")[0]
      ?.services.map(({ name, port }) => `${name} ${port}`);
    assert.ok(services?.includes(`artifacts ${mqttsPort}`));
    const blob = Buffer.alloc(300_000, "artifact");
    const path = `/artifacts/sha256/${publishBlob(fixture, blob)}`;
    const identity = await fixture.enrol("pump-1");
    const whole = await get(fixture, identity, path);
    assert.equal(whole.status, 200);
    assert.ok(whole.body.equals(blob));
    const part = await get(fixture, identity, path, { headers: { range: "bytes=10-19" } });
    assert.equal(part.status, 206);
    assert.equal(part.headers["content-range"], "bytes 10-19/300000");
    const head = await get(fixture, identity, path, { method: "HEAD" });
    assert.equal(head.headers["content-length"], "300000");
    const device = await fixture.connect("pump-1");
    assert.equal(device.connack?.reasonCode, 0);
  });

  test("without the option they are on both ports", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const { mqttsPort, artifactsPort } = fixture.gateway;
    assert.notEqual(artifactsPort, mqttsPort);
    const identity = await fixture.enrol("pump-1");
    for (const port of [artifactsPort, mqttsPort]) {
      const answer = await get(fixture, identity, "/nowhere", { port });
      assert.equal(answer.status, 404);
      assert.match(answer.body.toString(), /^nothing is here: see \/artifacts/);
    }
  });

  test("artifacts are there when as many devices are connected as may be", async (context) => {
    const fixture = await GatewayFixture.start(context, { artifactsPort: null, maxConnections: 1 });
    const device = await fixture.connect("pump-1");
    assert.equal(device.connack?.reasonCode, 0);
    const byAlpn = { ALPNProtocols: ["http/1.1"] };
    const answer = await get(fixture, await fixture.enrol("pump-1"), "/nowhere", byAlpn);
    assert.equal(answer.status, 404);
    const second = await fixture.connect("pump-2");
    assert.equal(second.connack, null);
  });

  test("who enrols speaks with the center, whose certificate it sees", async (context) => {
    const authority = await (await GatewayFixture.start(context)).authority.center();
    const center = createTlsServer({
      ...authority,
      requestCert: true,
      rejectUnauthorized: false,
      ALPNProtocols: ["http/1.1"],
    });
    center.on("secureConnection", (socket: TLSSocket) => {
      socket.on("data", (chunk: Buffer) => socket.end(`${socket.alpnProtocol}: ${String(chunk)}`));
    });
    const enrolmentUrl = await listening(context, center);
    const fixture = await GatewayFixture.start(context, { enrolmentUrl });
    const device = enrolling(fixture);
    await once(device, "secureConnect");
    assert.ok(device.getPeerX509Certificate()?.subjectAltName?.includes("muster-center://"));
    device.write("request");
    const [answer] = (await once(device, "data")) as [Buffer];
    assert.equal(String(answer), "http/1.1: request");
    await once(device, "close");
    const carried = { outcome: "carried" };
    assert.equal(await fixture.metric("enrolment_connections_total", carried), 1);
    const other = await fixture.connect("pump-1");
    assert.equal(other.connack?.reasonCode, 0, "others are not passed on");
  });

  test("a center that is not there is an alert", async (context) => {
    const closed = createServer();
    const enrolmentUrl = await listening(context, closed);
    closed.close();
    await once(closed, "close");
    const fixture = await GatewayFixture.start(context, { enrolmentUrl });
    const [error] = (await once(enrolling(fixture), "error")) as [NodeJS.ErrnoException];
    assert.match(error.message, /alert internal error/);
    const unreachable = { outcome: "unreachable" };
    assert.equal(await fixture.metric("enrolment_connections_total", unreachable), 1);
  });

  test("as many enrol at once as a gateway may carry, and one more is told", async (context) => {
    const enrolmentUrl = await listening(context, createServer());
    const fixture = await GatewayFixture.start(context, { enrolmentUrl });
    const sockets = Array.from({ length: 250 }, () => enrolling(fixture));
    context.after(() => {
      for (const socket of sockets) socket.destroy();
    });
    for (const socket of sockets) socket.on("error", () => {});
    let carriedCount = 0;
    await waitUntil("all are carried", () => {
      void fixture
        .metric("enrolment_connections_total", { outcome: "carried" })
        .then((count) => (carriedCount = count));
      return carriedCount === 250;
    });
    const [error] = (await once(enrolling(fixture), "error")) as [NodeJS.ErrnoException];
    assert.match(error.message, /alert internal error/);
    sockets[0]?.destroy();
    assert.equal(await fixture.metric("enrolment_connections_total", { outcome: "busy" }), 1);
  });

  test("without the center's address an enrolment fails in the handshake", async (context) => {
    const fixture = await GatewayFixture.start(context);
    const device = enrolling(fixture);
    const [error] = (await once(device, "error")) as [NodeJS.ErrnoException];
    assert.match(error.code ?? "", /CERTIFICATE_REQUIRED/);
    const { signal } = context;
    const enrolmentUrl = `https://127.0.0.1:${fixture.gateway.mqttsPort}`;
    using connection = await connectUntrusted({ enrolmentUrl, signal });
    await assert.rejects(
      fetchPinnedAuthority(connection, { caSha256: "", signal }),
      /the connection to the center ended before it answered \/\.well-known\/est\/cacerts$/,
    );
  });
});
