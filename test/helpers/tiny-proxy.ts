// SPDX-License-Identifier: Apache-2.0
/**
 * Tinyproxy, as sites have it, and behind it a network of its own: names that resolve nowhere else,
 * so that whatever is reached by one of them went through the proxy.
 */
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import { connect, type AddressInfo, type Socket } from "node:net";
import { freePorts } from "../e2e/tutorial/free-ports.ts";
import type { TempDir } from "./temp-dir.ts";
import { startTool } from "./tools.ts";
import { until } from "./until.ts";

/** The domain behind the proxy; nobody else has it (RFC 2606 §2). */
const DOMAIN = ".site.invalid";
const RUN_TIMEOUT_MS = 120_000;

export interface TinyProxy extends AsyncDisposable {
  /** `http://127.0.0.1:PORT`. */
  readonly url: string;
  readonly port: number;
  /** What was asked for behind the proxy, as `HOST:PORT`, in order. */
  readonly targets: string[];
}

export interface TinyProxyOptions {
  readonly folder: TempDir;
  readonly signal: AbortSignal;
  /** Further lines of its configuration. */
  readonly lines?: readonly string[];
}

/** Each name of `site.invalid` is this machine; a name of another domain is none. */
export async function startTinyProxy(options: TinyProxyOptions): Promise<TinyProxy> {
  const { folder, signal, lines = [] } = options;
  await using stack = new AsyncDisposableStack();
  const targets: string[] = [];
  const behind = await startNetwork(targets);
  stack.defer(behind.close);
  const [port = 0] = await freePorts(1);
  const file = folder.join("tinyproxy.conf");
  const own = [`Port ${port}`, "Listen 127.0.0.1", "Timeout 600", "MaxClients 50"];
  const upstream = `Upstream http 127.0.0.1:${behind.port}`;
  await writeFile(file, [...own, upstream, ...lines, ""].join("\n"));
  const cwd = folder.path;
  stack.use(startTool("tinyproxy", ["-d", "-c", file], { cwd, timeoutMs: RUN_TIMEOUT_MS }));
  await until("tinyproxy listens", () => accepts(port), { timeoutMs: 10_000, signal });
  const kept = stack.move();
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    targets,
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port });
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Takes CONNECT from tinyproxy, which resolves no name itself. */
async function startNetwork(
  targets: string[],
): Promise<{ port: number; close: () => Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer();
  server.on("connection", (socket: Socket) => sockets.add(socket));
  server.on("connect", ({ url = "" }: IncomingMessage, near: Socket, head: Buffer) => {
    near.on("error", () => undefined);
    const [host = "", port = ""] = url.split(":");
    if (!host.endsWith(DOMAIN)) return void near.end("HTTP/1.1 502 No such host\r\n\r\n");
    targets.push(url);
    const far = connect({ host: "127.0.0.1", port: Number(port) }, () => {
      near.write("HTTP/1.1 200 OK\r\n\r\n");
      far.write(head);
      near.pipe(far).pipe(near);
    });
    sockets.add(far);
    far.on("error", () => near.destroy()).on("close", () => near.destroy());
    near.on("close", () => far.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
