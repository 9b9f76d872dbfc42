// SPDX-License-Identifier: Apache-2.0
/**
 * The enrolment listener (7443): HTTPS over TLS 1.3 only, AES-256-GCM preferred. It asks clients
 * for a certificate and lets them in without one, or with one that has expired: a device that
 * enrols has none yet. Whether a certificate counts is decided per request (enrolment.ts), by the
 * CA's signature and our clock, never by the TLS library's verdict.
 *
 * Everything before a token is checked is open to the world, so everything is bounded: connections,
 * requests under way, body, time to send it.
 */
import { createServer } from "node:https";
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { TLSSocket } from "node:tls";
import { MusterError, toMusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Random } from "../../ports/random.ts";
import type { Store } from "../../ports/store.ts";
import type { GatewayDirectory } from "../../protocol/device/enrolment.ts";
import { TLS_CIPHERS, TLS_MIN_VERSION } from "../../protocol/trust/tls-policy.ts";
import { listen } from "../../runtime/listen.ts";
import type { CertificateAuthority } from "./certificate-authority.ts";
import { Enrolment } from "./enrolment.ts";
import type { RevocationCheck } from "./enrolment.ts";
import { errorAnswer, isCallersFault, pkcs7Answer } from "./est-messages.ts";
import type { EstAnswer, EstRequest } from "./est-messages.ts";
import { answerEstRequest } from "./est-routes.ts";
import type { EstContext } from "./est-routes.ts";
import type { OfferSigner } from "./offer-signer.ts";
import type { ServerCertificate } from "./server-certificate.ts";
import type { TrustRepository } from "./trust-repository.ts";

/** Largest request body, bytes: a PKCS#10 with an RSA 8192 key in PEM is 6 KiB. */
export const MAX_EST_BODY_BYTES = 65_536;

/** How far a body over the limit is read and thrown away before the connection is cut. */
const MAX_DISCARDED_BYTES = 1_048_576;

/** A connection costs about 60 KiB in TLS buffers: 2,000 are 120 MB. */
const MAX_CONNECTIONS = 2_000;

/** Each costs a few ms of CPU and one commit; more than these wait longer than clients do. */
const MAX_REQUESTS_UNDER_WAY = 256;

const HANDSHAKE_TIMEOUT_MS = 10_000;
const HEADERS_TIMEOUT_MS = 10_000;
const REQUEST_TIMEOUT_MS = 20_000;
const KEEP_ALIVE_TIMEOUT_MS = 5_000;
const MAX_REQUESTS_PER_CONNECTION = 100;
const DRAIN_TIMEOUT_MS = 5_000;

export interface EstServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly store: Store;
  readonly authority: CertificateAuthority;
  readonly serverCertificate: ServerCertificate;
  readonly trust: Pick<TrustRepository, "rootFile">;
  readonly offerSigner: Pick<OfferSigner, "signTime">;
  /** Gateways that a device may connect to now. */
  readonly directory: () => GatewayDirectory;
  /** Default: the `certificate` documents of the store. */
  readonly isRevoked?: RevocationCheck;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface EstServer extends AsyncDisposable {
  readonly port: number;
}

/** Opens the listener; disposing stops accepting, lets requests end for 5 s, then cuts them. */
export async function startEstServer(options: EstServerOptions): Promise<EstServer> {
  const { store, authority, clock, isRevoked } = options;
  const enrolment = new Enrolment({
    store,
    authority,
    clock,
    ...(isRevoked === undefined ? {} : { isRevoked }),
  });
  const caCertificates = pkcs7Answer(authority.pkcs7([authority.caDer]));
  const context: EstContext = { ...options, enrolment, caCertificates };
  const handler = new EstHandler({ ...options, context });
  const server = createServer(
    {
      ...options.serverCertificate.tlsOptions,
      minVersion: TLS_MIN_VERSION,
      ciphers: TLS_CIPHERS,
      honorCipherOrder: true,
      requestCert: true,
      rejectUnauthorized: false,
      handshakeTimeout: HANDSHAKE_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
    },
    (request, response) => void handler.handle(request, response),
  );
  server.maxConnections = MAX_CONNECTIONS;
  server.maxRequestsPerSocket = MAX_REQUESTS_PER_CONNECTION;
  const unregister = options.serverCertificate.register(server);
  const { host } = options;
  const port = await listen(server, { what: "the enrolment listener", host, port: options.port });
  return {
    port,
    [Symbol.asyncDispose]: async () => {
      unregister();
      await drain(server, clock);
      handler.abort();
    },
  };
}

/** One for all connections. */
class EstHandler {
  readonly #context: EstContext;
  readonly #random: Random;
  readonly #logger: Logger;
  readonly #stop: AbortController;
  #underWayCount: number;

  constructor(options: { context: EstContext; random: Random; logger: Logger }) {
    this.#context = options.context;
    this.#random = options.random;
    this.#logger = options.logger;
    this.#stop = new AbortController();
    this.#underWayCount = 0;
  }

  abort(): void {
    this.#stop.abort();
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#underWayCount += 1;
    try {
      const answer = await this.#answer(request);
      // What is left of a body that we did not read would be taken for the next request.
      if (!request.complete) response.setHeader("connection", "close");
      response.writeHead(answer.status, answer.headers).end(answer.body);
    } catch (cause) {
      this.#logger.error("answering an enrolment request failed", { error: cause });
      response.destroy();
    } finally {
      this.#underWayCount -= 1;
    }
  }

  async #answer(request: IncomingMessage): Promise<EstAnswer> {
    try {
      if (this.#underWayCount > MAX_REQUESTS_UNDER_WAY) throw busy();
      const body = await readBody(request);
      return await answerEstRequest(this.#context, plain(request, body), this.#stop.signal);
    } catch (cause) {
      const error = toMusterError(cause, "the enrolment request");
      const fields = { code: error.code, path: (request.url ?? "").split("?")[0] };
      if (isCallersFault(error)) this.#logger.info("refused an enrolment request", fields);
      else this.#logger.warn("an enrolment request failed", { ...fields, error });
      return errorAnswer(error, this.#random.next());
    }
  }
}

function plain(request: IncomingMessage, body: Uint8Array): EstRequest {
  const [path = "/", query = ""] = (request.url ?? "/").split("?", 2);
  return {
    method: request.method ?? "GET",
    path,
    query: new URLSearchParams(query),
    authorization: request.headers.authorization,
    body,
    clientCertificate: (request.socket as TLSSocket).getPeerX509Certificate() ?? null,
  };
}

/** Reads on a little beyond the limit, so that the sender gets to see the refusal. */
async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let lengthBytes = 0;
  try {
    // Ending the iteration early must not destroy the socket: the answer goes over it.
    const parts = request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>;
    for await (const part of parts) {
      lengthBytes += part.length;
      if (lengthBytes <= MAX_EST_BODY_BYTES) chunks.push(part);
      else if (lengthBytes > MAX_DISCARDED_BYTES) break;
    }
  } catch (cause) {
    const message = "the client went away before it had sent its request";
    throw new MusterError({ code: "cancelled", message, cause });
  }
  if (lengthBytes > MAX_EST_BODY_BYTES) throw tooLarge();
  return Buffer.concat(chunks);
}

function tooLarge(): MusterError {
  return new MusterError({
    code: "too_large",
    message: `the request body is over the limit of ${MAX_EST_BODY_BYTES} bytes`,
    detail: { hint: "send one PKCS#10 request and nothing else" },
  });
}

function busy(): MusterError {
  return new MusterError({
    code: "unavailable",
    message: "too many devices enrol at this moment",
    detail: { hint: "try again after the time in Retry-After" },
  });
}

function drain(server: Server, clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.setTimer(DRAIN_TIMEOUT_MS, () => server.closeAllConnections());
    server.close(() => {
      cancel();
      resolve();
    });
    server.closeIdleConnections();
  });
}
