// SPDX-License-Identifier: Apache-2.0
/**
 * The admin port of every role: `/metrics` (Prometheus text), `/livez` (the process answers) and
 * `/readyz` (200 when the role can do its work, else 503 with the reasons). Plain HTTP, bound to
 * loopback unless the operator names another address.
 */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Registry } from "prom-client";
import { listen } from "./listen.ts";

export interface AdminServer extends AsyncDisposable {
  readonly port: number;
}

/** Empty = ready. Each reason is a sentence. */
export type ReadinessProbe = () => readonly string[] | Promise<readonly string[]>;

/** What `/metrics` says; prom-client's registry is one. */
export type MetricsSource = Pick<Registry, "metrics" | "contentType">;

export async function startAdminServer(options: {
  host: string;
  port: number;
  registry: MetricsSource;
  readiness: ReadinessProbe;
}): Promise<AdminServer> {
  const server = createServer((request, response) => {
    void answer(options.registry, options.readiness, request, response);
  });
  const port = await listen(server, {
    what: "the admin listener",
    host: options.host,
    port: options.port,
  });
  return {
    port,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}

async function answer(
  registry: MetricsSource,
  readiness: ReadinessProbe,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const path = (request.url ?? "/").split("?")[0];
  if (path === "/metrics") {
    const text = await registry.metrics();
    response.writeHead(200, { "content-type": registry.contentType }).end(text);
  } else if (path === "/livez") {
    response.writeHead(200, { "content-type": "text/plain" }).end("alive\n");
  } else if (path === "/readyz") {
    const reasons = await readiness();
    const status = reasons.length === 0 ? 200 : 503;
    const text = reasons.length === 0 ? "ready\n" : `${reasons.join("\n")}\n`;
    response.writeHead(status, { "content-type": "text/plain" }).end(text);
  } else {
    response.writeHead(404, { "content-type": "text/plain" }).end("not found\n");
  }
}
