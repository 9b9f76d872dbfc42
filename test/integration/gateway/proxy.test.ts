// SPDX-License-Identifier: Apache-2.0
/** A load balancer in front of the device listeners: ours, to say anything; and HAProxy. */
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { request } from "node:https";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { describe, test, type TestContext } from "node:test";
import { isMusterError } from "../../../domain/errors.ts";
import type { Logger } from "../../../ports/logger.ts";
import { haveTools, startTool } from "../../helpers/tools.ts";
import { until } from "../../helpers/until.ts";
import { GatewayFixture } from "./gateway-fixture.ts";
import { TestDevice } from "./test-device.ts";

const ROOT = new URL("../../../", import.meta.url);
const LOOPBACK = ["127.0.0.0/8", "::1"];
const SOURCE = "198.51.100.7:40312";
const LINE = Buffer.from("PROXY TCP4 198.51.100.7 203.0.113.1 40312 8883\r\n");
const BINARY = Buffer.from("0d0a0d0a000d0a515549540a2111000cc6336407cb0071019d7822b3", "hex");

interface Said {
  readonly message: string;
  readonly fields: { readonly [name: string]: unknown };
}

/** What a gateway logs. */
function listeningLogger(): { logger: Logger; said: Said[] } {
  const said: Said[] = [];
  const note = (message: string, fields: Said["fields"] = {}): void => {
    said.push({ message, fields });
  };
  const logger: Logger = {
    debug: note,
    info: note,
    warn: note,
    error: note,
    child: () => logger,
  };
  return { said, logger };
}

/** Sends `pieces` to the gateway before anything that the device says. */
async function relay(
  context: TestContext,
  to: number,
  pieces: readonly Uint8Array[],
): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((device) => {
    const gateway = connect({ host: "127.0.0.1", port: to, noDelay: true }, () => {
      for (const piece of pieces) gateway.write(piece);
      device.pipe(gateway).pipe(device);
    });
    for (const socket of [device, gateway]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
    }
    gateway.on("close", () => device.destroy());
    device.on("close", () => gateway.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Connects under a foreign client id, so that the gateway says whom it refuses. */
async function addressInLog(
  fixture: GatewayFixture,
  said: readonly Said[],
  port: number,
): Promise<unknown> {
  const before = said.length;
  const identity = await fixture.enrol("pump-1");
  const names = { tenant: "default", device: "pump-1", clientId: "pump-2" };
  await TestDevice.connect({ port, identity, ...names });
  return said.slice(before).find(({ message }) => message === "connection refused")?.fields[
    "address"
  ];
}

describe("a gateway behind a load balancer", () => {
  const forms: readonly (readonly [string, readonly Buffer[]])[] = [
    ["version 1", [LINE]],
    ["version 2", [BINARY]],
    ["a header in single bytes", Array.from(BINARY, (byte) => Buffer.of(byte))],
  ];
  for (const [what, pieces] of forms) {
    test(`knows the device's own address: ${what}`, async (context) => {
      const { logger, said } = listeningLogger();
      const fixture = await GatewayFixture.start(context, { proxies: LOOPBACK, logger });
      const port = await relay(context, fixture.gateway.mqttsPort, pieces);
      assert.equal(await addressInLog(fixture, said, port), SOURCE);
      const device = await fixture.connect("pump-1", { port });
      assert.equal(device.connack?.reasonCode, 0);
    });
  }

  test("refuses a balancer that sends no header, or another", async (context) => {
    const { logger, said } = listeningLogger();
    const fixture = await GatewayFixture.start(context, { proxies: LOOPBACK, logger });
    await assert.rejects(fixture.connect("pump-1"));
    const port = await relay(context, fixture.gateway.mqttsPort, [Buffer.from("PROXY TCP9 \r\n")]);
    await assert.rejects(fixture.connect("pump-1", { port }));
    const refused = said.filter(({ message }) => message.includes("load balancer refused"));
    assert.deepEqual(
      refused.map(({ fields }) => fields["reason"]),
      [
        "the connection does not begin with a PROXY header",
        "a PROXY line names TCP4, TCP6 or UNKNOWN",
      ],
    );
  });

  test("takes no header from anybody else", async (context) => {
    const { logger, said } = listeningLogger();
    const fixture = await GatewayFixture.start(context, { proxies: ["192.0.2.1"], logger });
    const port = await relay(context, fixture.gateway.mqttsPort, [LINE]);
    await assert.rejects(fixture.connect("pump-1", { port }));
    const address = await addressInLog(fixture, said, fixture.gateway.mqttsPort);
    assert.match(String(address), /^127\.0\.0\.1:\d+$/);
  });

  test("serves artifacts through it as well", async (context) => {
    const fixture = await GatewayFixture.start(context, { proxies: LOOPBACK });
    const port = await relay(context, fixture.gateway.artifactsPort, [LINE]);
    const identity = await fixture.enrol("pump-1");
    const status = await new Promise((resolve, reject) => {
      request({ port, host: "localhost", path: "/nothing", ...identity }, (response) => {
        response.resume().on("end", () => resolve(response.statusCode));
      })
        .on("error", reject)
        .end();
    });
    assert.equal(status, 404);
  });

  test("says which network it cannot read", async (context) => {
    for (const network of ["gateway-lb", "10.0.0.0/33", "10.0.0.0/8/8", "::1/"]) {
      await assert.rejects(
        GatewayFixture.start(context, { proxies: [network] }),
        (error) => isMusterError(error) && error.message.includes(JSON.stringify(network)),
      );
    }
  });

  for (const word of ["send-proxy", "send-proxy-v2"]) {
    test(`HAProxy's ${word}: address known, its health checks taken`, async (context) => {
      if (!(await haveTools(context, "haproxy"))) return;
      const { logger, said } = listeningLogger();
      const fixture = await GatewayFixture.start(context, { proxies: LOOPBACK, logger });
      const port = await freePort();
      const config = fixture.folder.join("haproxy.cfg");
      await writeFile(config, await haproxyConfig({ port, to: fixture.gateway.mqttsPort, word }));
      await using haproxy = startTool("haproxy", ["-db", "-f", config], {
        cwd: fixture.folder.path,
      });
      const bound = { timeoutMs: 10_000, signal: context.signal };
      await until("HAProxy takes connections", () => answers(port), bound);
      const address = await addressInLog(fixture, said, port);
      assert.match(String(address), /^127\.0\.0\.1:\d+$/);
      const device = await fixture.connect("pump-1", { port });
      assert.equal(device.connack?.reasonCode, 0);
      assert.equal(haproxy.child.exitCode, null);
      const refused = said.filter(({ message }) => message.includes("load balancer refused"));
      assert.deepEqual(refused, []);
    });
  }
});

/** The guide's own, on the ports of this test. */
async function haproxyConfig(facts: { port: number; to: number; word: string }): Promise<string> {
  const page = await readFile(new URL("docs/guides/load-balancers.md", ROOT), "utf8");
  const config = /```haproxy\n(?<config>.*?)```/s.exec(page)?.groups?.["config"] ?? "";
  return config
    .replace("bind :8883", `bind 127.0.0.1:${facts.port}`)
    .replace("192.0.2.21:8883 send-proxy-v2", `127.0.0.1:${facts.to} ${facts.word}`)
    .replace("check-send-proxy", "check-send-proxy inter 100");
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.on("connect", () => resolve(true)).on("error", () => resolve(false));
    socket.on("connect", () => socket.destroy());
  });
}
