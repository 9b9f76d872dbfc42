// SPDX-License-Identifier: Apache-2.0
/** What the agent says of a proxy that does not let it through. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { describe, it, type TestContext } from "node:test";
import { readProxyRules } from "../../../agent/link/proxy-rules.ts";
import { openTls } from "../../../agent/trust/peer.ts";
import { isMusterError } from "../../../domain/errors.ts";
import { tempDir } from "../../helpers/temp-dir.ts";
import { startTinyProxy } from "../../helpers/tiny-proxy.ts";
import { haveTools } from "../../helpers/tools.ts";

const GATEWAY = "gw-1.site.invalid";

/** What a connection through `proxy` fails with: its message, and what to do. */
async function failure(
  proxy: string,
  options: { port?: number; timeoutMs?: number; signal?: AbortSignal } = {},
): Promise<string> {
  const { port = 8883, timeoutMs = 10_000, signal = new AbortController().signal } = options;
  const proxyFor = readProxyRules(proxy, {});
  const target = { host: GATEWAY, port, what: "the gateway", timeoutMs, signal, proxyFor };
  try {
    (await openTls(target)).destroy();
  } catch (error) {
    assert.ok(isMusterError(error));
    return `${error.code}: ${error.message}; ${error.detail.hint ?? ""}`;
  }
  return "connected";
}

async function silentProxy(context: TestContext): Promise<string> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket.resume()));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe("a proxy that does not let the agent through", () => {
  it("says that it wants credentials, or others", async (t) => {
    if (!(await haveTools(t, "tinyproxy"))) return;
    await using folder = await tempDir("proxy");
    const { signal } = t;
    const lines = ["BasicAuth till secret"];
    await using proxy = await startTinyProxy({ folder, signal, lines });
    const wanted = /^unavailable: the proxy at 127\.0\.0\.1:\d+ did not connect to the gateway at /;
    const without = await failure(proxy.url);
    assert.match(without, wanted);
    assert.match(without, /: 407 [^;]*; give its user and password as http:\/\/USER:PASSWORD@/);
    const wrong = await failure(`http://till:wrong@127.0.0.1:${proxy.port}`);
    assert.match(wrong, /: 40[17] [^;]*; give its user and password/);
    assert.ok(!wrong.includes("wrong@"));
  });

  it("says that it does not allow the port", async (t) => {
    if (!(await haveTools(t, "tinyproxy"))) return;
    await using folder = await tempDir("proxy");
    await using proxy = await startTinyProxy({
      folder,
      signal: t.signal,
      lines: ["ConnectPort 443"],
    });
    assert.match(await failure(proxy.url), /: 403 [^;]*; let the proxy allow CONNECT to that host/);
    assert.deepEqual(proxy.targets, []);
  });

  it("cannot reach what it is asked for", async (t) => {
    if (!(await haveTools(t, "tinyproxy"))) return;
    await using folder = await tempDir("proxy");
    await using proxy = await startTinyProxy({ folder, signal: t.signal });
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, "close");
    assert.match(await failure(proxy.url, { port }), /^unavailable: /);
  });

  it("is not there", async () => {
    assert.match(
      await failure("http://127.0.0.1:1"),
      /^unavailable: cannot connect to the proxy at 127\.0\.0\.1:1: nothing answers there; check/,
    );
  });

  it("says nothing", async (t) => {
    const proxy = await silentProxy(t);
    assert.match(
      await failure(proxy, { timeoutMs: 200 }),
      /^deadline_exceeded: the gateway at gw-1\.site\.invalid:8883 did not answer within 200 ms/,
    );
    const giveUp = new AbortController();
    const failing = failure(proxy, { signal: giveUp.signal });
    giveUp.abort();
    assert.match(await failing, /^cancelled: /);
  });
});
