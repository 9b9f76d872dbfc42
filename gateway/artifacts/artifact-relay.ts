// SPDX-License-Identifier: Apache-2.0
/**
 * Requests for artifacts that reach another worker than the first, which alone has the cache and
 * the caps: they go to it over a Unix socket in the gateway's data folder, which nobody but this
 * user can open. There a header says which device asks; the worker that took the connection has
 * checked its certificate.
 */
import { rm } from "node:fs/promises";
import { createServer, request as httpRequest } from "node:http";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { pipeline } from "node:stream";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { GatewayMetrics } from "../metrics.ts";
import { RETRY_AFTER_SECONDS, sayText } from "./artifact-answer.ts";
import { certifiedDevice } from "./artifact-peer.ts";

const DEVICE_HEADER = "muster-device";
/** Longer than the first worker lets a device wait. */
const SILENCE_MS = 60_000;
/** Headers that mean something to one connection only (RFC 9110 §7.6.1). */
const OF_ONE_CONNECTION = ["connection", "keep-alive", "transfer-encoding", "upgrade"];
/** What `sun_path` holds, less the zero at its end (unix(7)). */
const SOCKET_PATH_BYTES_MAX = 107;

/** Throws `invalid_argument` when the system cannot have a socket at `path`. */
export function checkSocketPath(path: string): void {
  const lengthBytes = Buffer.byteLength(path);
  if (lengthBytes <= SOCKET_PATH_BYTES_MAX) return;
  throw new MusterError({
    code: "invalid_argument",
    message: `${path} is ${lengthBytes} bytes long, and a socket's path ${SOCKET_PATH_BYTES_MAX}`,
    detail: { field: "dataDirectory", hint: "with several workers, use a shorter --data" },
  });
}

/** The device of a request that came through `relayArtifacts`. */
export function relayedDevice(request: IncomingMessage): string {
  return String(request.headers[DEVICE_HEADER] ?? "");
}

/** The first worker's end. What was left there by a worker that was killed is replaced. */
export async function startArtifactRelay(options: {
  readonly path: string;
  readonly answer: RequestListener;
}): Promise<{ close(): Promise<void> }> {
  const { path, answer } = options;
  await rm(path, { force: true });
  const server = createServer(answer);
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path, backlog: 1_024 }, () => resolve());
  });
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** Another worker's end. */
export function relayArtifacts(options: {
  readonly path: string;
  readonly clock: Clock;
  readonly metrics: GatewayMetrics;
}): RequestListener {
  return (request, response) => {
    try {
      relay(options.path, certifiedDevice(request, options.clock.wallMs()), request, response);
    } catch (error) {
      if (!isMusterError(error)) throw error;
      sayText(response, 403, error.message);
      options.metrics.artifactRequested(403);
    }
  };
}

function relay(
  socketPath: string,
  device: string,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { method, url } = request;
  const headers = { ...withoutConnection(request.headers), [DEVICE_HEADER]: device };
  const outgoing = httpRequest({ socketPath, method, path: url, headers, timeout: SILENCE_MS });
  outgoing.once("timeout", () => outgoing.destroy());
  outgoing.once("response", (answer) => {
    response.writeHead(answer.statusCode ?? 502, withoutConnection(answer.headers));
    pipeline(answer, response, () => {}); // Whoever is left is destroyed: the device asks again.
  });
  outgoing.once("error", () => {
    if (response.headersSent) response.destroy();
    else sayText(response, 503, "artifacts are served again soon", RETRY_AFTER_SECONDS);
  });
  response.once("close", () => outgoing.destroy());
  outgoing.end();
}

function withoutConnection(headers: IncomingMessage["headers"]): IncomingMessage["headers"] {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !OF_ONE_CONNECTION.includes(name)),
  );
}
