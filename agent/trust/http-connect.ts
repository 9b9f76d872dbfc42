// SPDX-License-Identifier: Apache-2.0
/**
 * A TCP connection through an HTTP proxy (CONNECT, RFC 9110 §9.3.6). The proxy resolves the name,
 * sees host and port, and nothing of what goes through: TLS is between the two ends.
 */
import { request } from "node:http";
import { isIP, type Socket } from "node:net";
import { MusterError } from "../../domain/errors.ts";
import type { HttpProxy } from "../link/proxy-rules.ts";

export interface ConnectTarget {
  readonly proxy: HttpProxy;
  readonly host: string;
  readonly port: number;
  /** Names the peer behind the proxy in messages: "the gateway". */
  readonly what: string;
  readonly signal: AbortSignal;
}

/** Throws `unavailable` with what the proxy says, or that it says nothing. */
export function connectThrough(target: ConnectTarget): Promise<Socket> {
  const { proxy, signal } = target;
  const authority = authorityOf(target.host, target.port);
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: proxy.host,
      port: proxy.port,
      method: "CONNECT",
      path: authority,
      headers: { host: authority, ...authorization(proxy) },
      agent: false,
      signal,
    });
    outgoing.once("connect", ({ statusCode = 0, statusMessage = "" }, socket: Socket, head) => {
      if (statusCode >= 200 && statusCode < 300) {
        if (head.length > 0) socket.unshift(head);
        return resolve(socket);
      }
      socket.destroy();
      reject(refused(target, statusCode, statusMessage));
    });
    outgoing.once("error", (cause: NodeJS.ErrnoException) => reject(silent(target, cause)));
    outgoing.end();
  });
}

/** For messages; without the credentials. */
export function proxyName({ host, port }: HttpProxy): string {
  return authorityOf(host, port);
}

function authorityOf(host: string, port: number): string {
  return isIP(host) === 6 ? `[${host}]:${port}` : `${host}:${port}`;
}

function authorization({ credentials }: HttpProxy): { [name: string]: string } {
  if (credentials === null) return {};
  const encoded = Buffer.from(credentials).toString("base64");
  return { "proxy-authorization": `Basic ${encoded}` };
}

/** What to do about the answers that people meet. */
const HINTS: { readonly [status: number]: string } = {
  401: "give its user and password as http://USER:PASSWORD@HOST:PORT",
  403: "let the proxy allow CONNECT to that host and port",
  405: "let the proxy allow CONNECT",
  407: "give its user and password as http://USER:PASSWORD@HOST:PORT",
};

function refused(target: ConnectTarget, status: number, text: string): MusterError {
  const { proxy, what, host, port } = target;
  const said = `${status} ${text.replaceAll(/\p{C}+/gu, " ").slice(0, 100)}`.trim();
  return new MusterError({
    code: "unavailable",
    message:
      `the proxy at ${proxyName(proxy)} did not connect to ${what} ` +
      `at ${authorityOf(host, port)}: ${said}`,
    detail: { hint: HINTS[status] ?? "check the address, and whether the proxy can reach it" },
  });
}

function silent({ proxy }: ConnectTarget, cause: NodeJS.ErrnoException): MusterError {
  const why = cause.code === "ECONNREFUSED" ? "nothing answers there" : (cause.code ?? "it broke");
  return new MusterError({
    code: "unavailable",
    message: `cannot connect to the proxy at ${proxyName(proxy)}: ${why}`,
    detail: { hint: "check --proxy, HTTPS_PROXY and NO_PROXY" },
    cause,
  });
}
