// SPDX-License-Identifier: Apache-2.0
/**
 * Artifacts for devices, over HTTPS with their certificates: on a listener of their own, and on the
 * devices' TLS port beside MQTT.
 *
 * | request | answer |
 * | --- | --- |
 * | `GET`, `HEAD /artifacts/sha256/{hex}` | the blob; ranges, ETag, If-Range, If-None-Match |
 * | `GET`, `HEAD /artifacts/sha256/{hex}/chunks/{index}/{abcd}/{id}.cacnk` | one chunk of it |
 * | `GET`, `HEAD /tuf/{name}` | TUF metadata as the center signed it |
 *
 * A blob is served only when it is whole and verified on this disk. While it is being fetched for
 * longer than 20 s the answer is 503 with Retry-After, so that no device waits on an open socket
 * for somebody else's gigabyte. Nothing here throws to the process: each failure is an answer.
 *
 * Limits: 2,000 connections, 10 s for headers, 60 s without progress, 8 KiB of headers.
 */
import { createReadStream } from "node:fs";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { createServer } from "node:https";
import type { Socket } from "node:net";
import { pipeline } from "node:stream/promises";
import {
  errorCodeFacts,
  isMusterError,
  type ErrorCode,
  type MusterError,
} from "../../domain/errors.ts";
import { SHA256_PATTERN } from "../../ports/artifact-store.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import { ROLLOUT_HEADER } from "../../protocol/device/artifact-request.ts";
import { listen } from "../../runtime/listen.ts";
import { deviceTls } from "../device-tls.ts";
import type { GatewayIdentity } from "../identity.ts";
import type { ProxiedSources } from "../listeners/proxy/proxied-sources.ts";
import type { GatewayMetrics } from "../metrics.ts";
import type { TicketKeysUser } from "../ticket-keys.ts";
import type { SessionTable } from "../sessions/session-table.ts";
import type { ArtifactCache } from "./artifact-cache.ts";
import { parseByteRange } from "./byte-range.ts";
import type { ChunkAddress, ChunkCache } from "./chunk-cache.ts";
import { RETRY_AFTER_SECONDS, sayText } from "./artifact-answer.ts";
import type { Pacer, Taker } from "./pacer.ts";
import type { RolloutCaps } from "./rollout-caps.ts";
import type { TrustCache } from "./trust-cache.ts";

const CONNECTIONS_MAX = 2_000;
const HEADERS_TIMEOUT_MS = 10_000;
const IDLE_TIMEOUT_MS = 60_000;
const HEADER_BYTES_MAX = 8_192;
/** How long a device waits for a blob that is being fetched. */
const FETCH_WAIT_MS = 20_000;

/** As a chunk store lays its files out, below the blob and its index. */
const CHUNK_PATTERN: RegExp = new RegExp(
  "^/artifacts/sha256/(?<blob>[0-9a-f]{64})/chunks/(?<index>[0-9a-f]{64})" +
    "/(?<start>[0-9a-f]{4})/(?<id>\\k<start>[0-9a-f]{60})\\.cacnk$",
);

/** Where this gateway stands between the device and the failure. */
const FAILURE_STATUS: { readonly [code in ErrorCode]?: number } = {
  deadline_exceeded: 503, // Still fetching: come again.
  untrusted: 502, // The center sent something else.
  too_large: 507, // The cache is too small for it.
  resource_exhausted: 503, // Bandwidth is taken: come again.
};

export interface ArtifactOptions {
  readonly cache: ArtifactCache;
  readonly chunks: ChunkCache;
  readonly pacer: Pacer;
  readonly caps: RolloutCaps;
  readonly table: SessionTable;
  readonly trust: TrustCache;
  readonly clock: Clock;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
}

export interface ArtifactServerOptions {
  readonly identity: GatewayIdentity;
  readonly answer: RequestListener;
  readonly metrics: GatewayMetrics;
  readonly sources: ProxiedSources;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
}

export interface ArtifactServer extends TicketKeysUser {
  readonly port: number;
  /** Cuts what is under way: a device resumes elsewhere, by range. */
  close(): Promise<void>;
}

export async function startArtifactServer(options: ArtifactServerOptions): Promise<ArtifactServer> {
  const tls = { ...deviceTls(options.identity), maxHeaderSize: HEADER_BYTES_MAX };
  const server = createServer(tls, options.answer);
  server.maxConnections = CONNECTIONS_MAX;
  options.sources.expectOn(server);
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = HEADERS_TIMEOUT_MS;
  server.setTimeout(IDLE_TIMEOUT_MS);
  server.on("tlsClientError", (error: NodeJS.ErrnoException) => {
    options.metrics.tlsFailed(error.code ?? "unknown");
  });
  // Node counts a connection from its handshake on; one whose handshake was under way when the
  // others were closed would go on asking, and the server never end.
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  const what = "the artifact listener";
  const port = await listen(server, { what, host: options.host, port: options.port });
  return {
    port,
    useTicketKeys: (keys) => server.setTicketKeys(Buffer.from(keys)),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** `deviceOf`: whom a request is from, as `tenant/device`; throws what is to be refused. */
export function artifactAnswers(
  options: ArtifactOptions,
  deviceOf: (request: IncomingMessage) => string,
): RequestListener {
  return (request, response) => void answer({ ...options, deviceOf }, request, response);
}

type AnswerOptions = ArtifactOptions & {
  readonly deviceOf: (request: IncomingMessage) => string;
};

async function answer(
  options: AnswerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  try {
    await route(options, request, response);
  } catch (cause) {
    if (response.headersSent || !isMusterError(cause)) {
      // The device went away in the middle, or the disk failed under it: it will ask again.
      options.logger.debug("artifact answer broke off", { error: cause });
      response.destroy();
    } else refuse(response, cause);
  }
  options.metrics.artifactRequested(response.statusCode);
}

async function route(
  options: AnswerOptions,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const device = options.deviceOf(request);
  const taker = takerOf(options, request, device);
  if (request.method !== "GET" && request.method !== "HEAD") {
    response.setHeader("allow", "GET, HEAD");
    return sayText(response, 405, "only GET and HEAD are answered here");
  }
  const path = (request.url ?? "/").split("?")[0] as string;
  const [, room, ...rest] = path.split("/");
  if (room === "tuf" && rest.length === 1) return sendTrust(options, request, response, rest[0]);
  options.pacer.checkBusy(taker);
  const digest = rest[1] ?? "";
  if (room === "artifacts" && rest[0] === "sha256" && rest.length === 2) {
    if (SHA256_PATTERN.test(digest)) {
      return await sendBlob(options, { request, response, taker }, digest);
    }
    return sayText(response, 400, "a digest is 64 lower-case hex characters");
  }
  const chunk = CHUNK_PATTERN.exec(path)?.groups;
  if (chunk !== undefined) {
    const address = chunk as unknown as ChunkAddress;
    return await sendChunk(options, { request, response, taker }, address);
  }
  sayText(response, 404, "nothing is here: see /artifacts/sha256/{digest} and /tuf/{name}");
}

/** One request of a device. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly taker: Taker;
}

/** Where the device stands, and the caps of the rollout that it says it fetches for. */
function takerOf(
  { table, caps }: Pick<ArtifactOptions, "table" | "caps">,
  request: IncomingMessage,
  device: string,
): Taker {
  const slot = table.slotOfDevice(device);
  const site = slot === -1 ? 0 : (table.site[slot] ?? 0);
  return { device, site, caps: caps.of(Number(request.headers[ROLLOUT_HEADER] ?? 0)) };
}

/** Aborted when the device has gone. */
function goneSignal(response: ServerResponse): AbortSignal {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  return gone.signal;
}

/** What `get` finds within the time that a device may wait for it. */
async function inTime<Value>(
  options: AnswerOptions,
  response: ServerResponse,
  get: (bound: { signal: AbortSignal }) => Promise<Value>,
): Promise<Value> {
  const waiting = new AbortController();
  const cancelTimer = options.clock.setTimer(FETCH_WAIT_MS, () => waiting.abort());
  response.once("close", () => waiting.abort());
  return await get({ signal: waiting.signal }).finally(cancelTimer);
}

async function sendChunk(
  options: AnswerOptions,
  { request, response, taker }: Exchange,
  address: ChunkAddress,
): Promise<void> {
  const data = await inTime(options, response, (bound) => options.chunks.get(address, bound));
  response.setHeader("cache-control", "private, max-age=31536000, immutable");
  response.setHeader("content-type", "application/octet-stream");
  response.setHeader("content-length", data.length);
  if (request.method === "HEAD") return void response.writeHead(200).end();
  await options.pacer.take(taker, data.length, goneSignal(response));
  response.writeHead(200).end(data);
}

async function sendBlob(
  options: AnswerOptions,
  { request, response, taker }: Exchange,
  sha256: string,
): Promise<void> {
  const blob = await inTime(options, response, (bound) => options.cache.get(sha256, bound));
  const etag = `"${sha256}"`;
  response.setHeader("etag", etag);
  response.setHeader("accept-ranges", "bytes");
  response.setHeader("cache-control", "private, max-age=31536000, immutable");
  response.setHeader("content-type", "application/octet-stream");
  if (request.headers["if-none-match"] === etag) return void response.writeHead(304).end();
  const ifRange = request.headers["if-range"];
  const isRangeValid = ifRange === undefined || ifRange === etag;
  const range = parseByteRange(isRangeValid ? request.headers.range : undefined, blob.lengthBytes);
  if (range === "unsatisfiable") {
    response.setHeader("content-range", `bytes */${blob.lengthBytes}`);
    return sayText(response, 416, `the artifact has ${blob.lengthBytes} bytes`);
  }
  const { start, end } = range === "whole" ? { start: 0, end: blob.lengthBytes } : range;
  response.setHeader("content-length", end - start);
  if (range !== "whole") {
    response.setHeader("content-range", `bytes ${start}-${end - 1}/${blob.lengthBytes}`);
  }
  response.writeHead(range === "whole" ? 200 : 206);
  if (request.method === "HEAD" || start === end) return void response.end();
  const source = createReadStream(blob.file, { start, end: end - 1 });
  const paced = options.pacer.pace(taker, source, goneSignal(response));
  await pipeline(paced, response);
}

function sendTrust(
  options: AnswerOptions,
  request: IncomingMessage,
  response: ServerResponse,
  name = "",
): void {
  const data = options.trust.get(name);
  if (data === null) return sayText(response, 404, "there is no such metadata");
  response.setHeader("content-type", "application/json");
  response.setHeader("content-length", data.length);
  response.setHeader("cache-control", "no-cache");
  response.writeHead(200).end(request.method === "HEAD" ? undefined : data);
}

function refuse(response: ServerResponse, error: MusterError): void {
  const status = FAILURE_STATUS[error.code] ?? errorCodeFacts(error.code).http;
  const isPassing = status === 503 || status === 507;
  sayText(response, status, error.message, isPassing ? RETRY_AFTER_SECONDS : undefined);
}
