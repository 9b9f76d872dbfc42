// SPDX-License-Identifier: Apache-2.0
/**
 * The center's two API listeners: 7070 for people (Connect, gRPC-Web and JSON; plain HTTP on
 * loopback only, TLS elsewhere) and 50051 for machines (gRPC over TLS 1.3: DeployService with a
 * token, GatewayLink with a gateway's certificate).
 */
import { createServer as createHttpServer, type Server as HttpServer } from "node:http";
import { createSecureServer, type Http2SecureServer } from "node:http2";
import { isIP, type Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import {
  createContextValues,
  type ConnectRouter,
  type ContextValues,
  type Interceptor,
} from "@connectrpc/connect";
import { connectNodeAdapter, type ConnectNodeAdapterOptions } from "@connectrpc/connect-node";
import type { ServerCertificate } from "../identity/server-certificate.ts";
import { TLS_CIPHERS, TLS_MIN_VERSION } from "../../protocol/trust/tls-policy.ts";
import { listen } from "../../runtime/listen.ts";
import { PEER, peerOf } from "../link/peer.ts";

export interface ApiServers extends AsyncDisposable {
  readonly apiPort: number;
  readonly linkPort: number;
}

export interface ApiServersOptions {
  readonly apiHost: string;
  readonly apiPort: number;
  readonly linkHost: string;
  readonly linkPort: number;
  readonly certificate: ServerCertificate;
  readonly interceptors: Interceptor[];
  readonly deployRoutes: (router: ConnectRouter) => void;
  readonly linkRoutes: (router: ConnectRouter) => void;
}

/** Largest message: a lease of 1,000 offers, or a manifest with its targets.json. */
const MAX_MESSAGE_BYTES: number = 16 << 20;

/** Shorter answers are not compressed: a watcher's update costs more to pack than to send. */
const COMPRESSED_FROM_BYTES: number = 64 << 10;

export async function startApiServers(options: ApiServersOptions): Promise<ApiServers> {
  const common = {
    interceptors: options.interceptors,
    readMaxBytes: MAX_MESSAGE_BYTES,
    writeMaxBytes: MAX_MESSAGE_BYTES,
    compressMinBytes: COMPRESSED_FROM_BYTES,
    fallback: sayNothingHere,
  };
  const apiHandler = connectNodeAdapter({ ...common, routes: options.deployRoutes });
  const api = isLoopback(options.apiHost)
    ? createHttpServer(apiHandler)
    : secureServer(options.certificate, apiHandler);
  const link = secureServer(
    options.certificate,
    connectNodeAdapter({
      ...common,
      routes: (router) => {
        options.deployRoutes(router);
        options.linkRoutes(router);
      },
      contextValues: (request): ContextValues => {
        const session = "stream" in request ? request.stream.session : undefined;
        const socket = (session?.socket ?? request.socket) as TLSSocket;
        return createContextValues().set(PEER, peerOf(socket));
      },
    }),
  );
  const { apiHost, linkHost } = options;
  const apiPort = await listen(api, {
    what: "the API listener",
    host: apiHost,
    port: options.apiPort,
  });
  const linkPort = await listen(link, {
    what: "the gRPC listener",
    host: linkHost,
    port: options.linkPort,
  });
  const sockets = [trackSockets(api), trackSockets(link)];
  return {
    apiPort,
    linkPort,
    [Symbol.asyncDispose]: async () => {
      const closed = [api, link].map(
        (server) => new Promise<void>((resolve) => server.close(() => resolve())),
      );
      for (const set of sockets) for (const socket of set) socket.destroy();
      await Promise.all(closed);
    },
  };
}

const sayNothingHere: NonNullable<ConnectNodeAdapterOptions["fallback"]> = (_request, response) => {
  const text = "there is nothing at this path; a method is at /muster.v1.DeployService/METHOD\n";
  response.writeHead(404, { "content-type": "text/plain; charset=utf-8" });
  response.end(text);
};

/** True for addresses that nothing outside this machine reaches. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

function secureServer(
  certificate: ServerCertificate,
  handler: ReturnType<typeof connectNodeAdapter>,
): Http2SecureServer {
  const server = createSecureServer(
    {
      ...certificate.tlsOptions,
      allowHTTP1: true,
      minVersion: TLS_MIN_VERSION,
      ciphers: TLS_CIPHERS,
      honorCipherOrder: true,
      requestCert: true,
      rejectUnauthorized: false,
    },
    handler,
  );
  certificate.register(server);
  return server;
}

function trackSockets(server: HttpServer | Http2SecureServer): Set<Socket> {
  const sockets = new Set<Socket>();
  const track = (socket: Socket): void => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  };
  server.on("connection", track);
  return sockets;
}
