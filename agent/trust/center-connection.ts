// SPDX-License-Identifier: Apache-2.0
/**
 * One TLS connection to the center's enrolment listener and the requests over it, one after the
 * other. The socket comes in verified (or is read from with suspicion); nothing here reconnects, so
 * what was verified is what is spoken to.
 */
import { Agent, request as httpRequest } from "node:http";
import type { IncomingMessage } from "node:http";
import type { TLSSocket } from "node:tls";
import { MusterError } from "../../domain/errors.ts";
import type { ErrorCode } from "../../domain/errors.ts";

export interface CenterAnswer {
  readonly status: number;
  readonly body: Buffer;
}

/** Largest answer read, bytes: root metadata may have 64 KiB, a directory of 1,000 gateways 150. */
const MAX_ANSWER_BYTES = 262_144;

/** Longest error line that is passed on to a person. */
const MAX_ERROR_CHARACTERS = 500;

export class CenterConnection implements Disposable {
  readonly #socket: TLSSocket;
  readonly #agent: Agent;
  readonly #timeoutMs: number;

  constructor(options: { socket: TLSSocket; timeoutMs: number }) {
    const { socket } = options;
    this.#socket = socket;
    this.#timeoutMs = options.timeoutMs;
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1 });
    this.#agent.createConnection = (): TLSSocket => socket;
  }

  get socket(): TLSSocket {
    return this.#socket;
  }

  /**
   * The body of a 200. Throws the error that the status stands for, with the center's own words.
   */
  async fetch(options: {
    method: "GET" | "POST";
    path: string;
    headers?: Readonly<Record<string, string>>;
    body?: string;
    signal: AbortSignal;
  }): Promise<Buffer> {
    const { status, body } = await this.#exchange(options);
    if (status === 200) return body;
    throw new MusterError({
      code: codeOfStatus(status),
      message: `the center refused ${options.path.split("?")[0]} (${status}): ${printable(body)}`,
    });
  }

  #exchange(options: {
    method: "GET" | "POST";
    path: string;
    headers?: Readonly<Record<string, string>>;
    body?: string;
    signal: AbortSignal;
  }): Promise<CenterAnswer> {
    const deadline = AbortSignal.timeout(this.#timeoutMs);
    return new Promise((resolve, reject) => {
      if (this.#socket.destroyed) {
        reject(lost(options.path, undefined));
        return;
      }
      const request = httpRequest({
        agent: this.#agent,
        method: options.method,
        path: options.path,
        headers: { host: "center", ...options.headers },
        signal: AbortSignal.any([options.signal, deadline]),
      });
      request.once("error", (cause) => {
        reject(failure({ path: options.path, cause, signal: options.signal, deadline }));
      });
      request.once("response", (response) => {
        readAnswer(response).then(resolve, (cause: unknown) => {
          reject(failure({ path: options.path, cause, signal: options.signal, deadline }));
        });
      });
      request.end(options.body);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
    this.#socket.destroy();
  }
}

async function readAnswer(response: IncomingMessage): Promise<CenterAnswer> {
  const chunks: Buffer[] = [];
  let lengthBytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    lengthBytes += chunk.length;
    if (lengthBytes > MAX_ANSWER_BYTES) {
      throw new MusterError({
        code: "too_large",
        message: `the center's answer is over the limit of ${MAX_ANSWER_BYTES} bytes`,
      });
    }
    chunks.push(chunk);
  }
  return { status: response.statusCode ?? 0, body: Buffer.concat(chunks) };
}

function failure(options: {
  path: string;
  cause: unknown;
  signal: AbortSignal;
  deadline: AbortSignal;
}): MusterError {
  const { path, cause } = options;
  if (cause instanceof MusterError) return cause;
  if (options.signal.aborted) {
    return new MusterError({
      code: "cancelled",
      message: "the request to the center was given up",
    });
  }
  if (options.deadline.aborted) {
    const message = `the center did not answer ${path.split("?")[0]} in time`;
    return new MusterError({ code: "deadline_exceeded", message, cause });
  }
  return lost(path, cause);
}

function lost(path: string, cause: unknown): MusterError {
  const message = `the connection to the center ended before it answered ${path.split("?")[0]}`;
  return new MusterError({ code: "unavailable", message, cause });
}

function codeOfStatus(status: number): ErrorCode {
  switch (status) {
    case 400:
      return "invalid_argument";
    case 401:
      return "unauthenticated";
    case 403:
      return "permission_denied";
    case 404:
      return "not_found";
    case 413:
      return "too_large";
    case 429:
      return "resource_exhausted";
    case 507:
      return "no_space";
    default:
      return status >= 500 ? "unavailable" : "failed_precondition";
  }
}

/** One line, without control characters: it comes from elsewhere and goes to a terminal. */
function printable(body: Buffer): string {
  const text = body
    .toString("utf8")
    .trim()
    .replaceAll(/\p{C}+/gu, " ");
  return text.slice(0, MAX_ERROR_CHARACTERS);
}
