// SPDX-License-Identifier: Apache-2.0
/**
 * The TLS connection of a device to the center or a gateway. TLS 1.3 only. The TLS library checks
 * that the peer holds its certificate's key and nothing else: issuer, purpose, dates and role are
 * checked here, against the one pinned CA and the device's working time, before a byte is sent.
 * (The library would judge dates by a clock that may say 1970, and report a date error even where
 * the CA is wrong.) The host name does not matter: the role in the SAN URI does.
 */
import { X509Certificate } from "node:crypto";
import { isIP } from "node:net";
import type { Socket } from "node:net";
import { connect } from "node:tls";
import type { ConnectionOptions, TLSSocket } from "node:tls";
import { MusterError } from "../../domain/errors.ts";
import {
  certificateDates,
  certificateIdentity,
  certificateProblem,
  issuanceProblem,
  readCertificate,
} from "../../protocol/trust/certificate-identity.ts";
import type { CertificateIdentity } from "../../protocol/trust/certificate-identity.ts";
import { TLS_CIPHERS, TLS_MIN_VERSION } from "../../protocol/trust/tls-policy.ts";
import type { ProxyFor } from "../link/proxy-rules.ts";
import { connectThrough } from "./http-connect.ts";

/**
 * A TLS session and whose it is. On a resumed connection the peer proves that it holds the
 * session's secret and sends no certificate, so the one of the first handshake is kept beside the
 * session and judged again, by today's dates.
 */
export interface PeerSession {
  readonly session: Buffer;
  /** DER. */
  readonly certificate: Buffer;
}

export interface TlsTarget {
  readonly host: string;
  readonly port: number;
  /** Default: no proxy. */
  readonly proxyFor?: ProxyFor | undefined;
  /** Application protocols to offer, most wanted first. */
  readonly alpn?: readonly string[];
  /** Own certificate and key; both or neither. */
  readonly certPem?: string;
  readonly keyPem?: string;
  /** Of an earlier connection to the same peer, to resume. */
  readonly session?: PeerSession;
  /** Names the peer in messages: "the gateway gw-1". */
  readonly what: string;
  readonly signal: AbortSignal;
  /** For connecting and the handshake together. */
  readonly timeoutMs: number;
}

export interface TrustedTarget extends TlsTarget {
  readonly caPem: string;
  readonly expect: "center" | "gateway";
  readonly workingTimeMs: number;
}

/**
 * Connects and verifies; the socket is ready to write. Throws `untrusted` (says why), `unavailable`
 * (refused, unreachable, handshake failed), `deadline_exceeded`, `cancelled`.
 */
export async function connectTls(options: TrustedTarget): Promise<TLSSocket> {
  const socket = await openTls(options);
  try {
    verifyPeer(socket, { ...options, session: options.session });
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

/**
 * Connects without trusting the peer: for reading what is then checked by other means (the CA
 * certificates against the token's pin, a signed time against the offer keys) and nothing else.
 */
export async function openTls(options: TlsTarget): Promise<TLSSocket> {
  const { signal, what, proxyFor } = options;
  if (signal.aborted) throw cancelled(what);
  const deadline = AbortSignal.timeout(options.timeoutMs);
  const proxy = proxyFor?.(options) ?? null;
  if (proxy === null) return await handshake(options, deadline, null);
  const bounded = AbortSignal.any([signal, deadline]);
  const way = await connectThrough({ ...options, proxy, signal: bounded }).catch(
    (error: unknown) => {
      if (signal.aborted) throw cancelled(what);
      throw deadline.aborted ? timedOut(options) : error;
    },
  );
  return await handshake(options, deadline, way);
}

/** `way`: a connection that leads to the target; null: none is made yet. */
function handshake(
  options: TlsTarget,
  deadline: AbortSignal,
  way: Socket | null,
): Promise<TLSSocket> {
  const { signal, what } = options;
  return new Promise((resolve, reject) => {
    const socket = connect({ ...tlsOptions(options), ...(way === null ? {} : { socket: way }) });
    const settle = (): void => {
      signal.removeEventListener("abort", onAbort);
      deadline.removeEventListener("abort", onDeadline);
      socket.off("error", onError);
      socket.off("close", onClose);
    };
    const fail = (error: MusterError): void => {
      settle();
      socket.on("error", ignore); // What else the dying socket says was answered already.
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(cancelled(what));
    const onDeadline = (): void => fail(timedOut(options));
    const onError = (cause: Error): void => fail(unreachable(options, cause));
    const onClose = (): void => fail(unreachable(options, undefined));
    signal.addEventListener("abort", onAbort, { once: true });
    deadline.addEventListener("abort", onDeadline, { once: true });
    socket.once("error", onError);
    socket.once("close", onClose);
    socket.once("secureConnect", () => {
      settle();
      resolve(socket);
    });
  });
}

/**
 * What to keep when the socket of `connectTls` emits "session", to resume it later. `resumed` is
 * the session that the connection itself resumed, if any.
 */
export function peerSession(
  socket: TLSSocket,
  session: Buffer,
  resumed?: PeerSession,
): PeerSession | null {
  const certificate = peerCertificate(socket, resumed);
  return certificate === undefined ? null : { session, certificate: certificate.raw };
}

/** Checks a connected peer; throws `untrusted`. Returns who it is. */
export function verifyPeer(
  socket: TLSSocket,
  options: Pick<TrustedTarget, "caPem" | "expect" | "workingTimeMs" | "what"> & {
    readonly session?: PeerSession | undefined;
  },
): CertificateIdentity {
  const { what, expect } = options;
  const certificate = peerCertificate(socket, options.session);
  if (certificate === undefined) throw untrustedPeer(what, "was not sent");
  const authority = readCertificate(options.caPem, "the pinned CA");
  const nowMs = options.workingTimeMs;
  const problem = certificateProblem({ certificate, authority, usage: "server", nowMs });
  if (problem !== null) throw untrustedPeer(what, problem);
  const identity = certificateIdentity(certificate);
  if (identity?.role === expect) return identity;
  const role = identity === null ? "nobody that Muster knows" : `a ${identity.role}`;
  throw untrustedPeer(what, `is that of ${role}, not of a ${expect}`);
}

/**
 * The earliest moment it can be, by the peer's certificate: our CA issues none for the future, so
 * whatever the device's clock says, it is at least `notBefore`. Null when the certificate is not
 * our CA's: then it proves nothing.
 */
export function earliestTimeByPeer(socket: TLSSocket, caPem: string): number | null {
  const certificate = socket.getPeerX509Certificate();
  if (certificate === undefined) return null;
  const authority = readCertificate(caPem, "the pinned CA");
  if (issuanceProblem({ certificate, authority, usage: "server" }) !== null) return null;
  return certificateDates(certificate).notBeforeMs;
}

/** The peer's certificate: sent in this handshake, or in the one that this connection resumes. */
function peerCertificate(
  socket: TLSSocket,
  resumed: PeerSession | undefined,
): X509Certificate | undefined {
  if (!socket.isSessionReused()) return socket.getPeerX509Certificate();
  return resumed === undefined ? undefined : new X509Certificate(resumed.certificate);
}

function tlsOptions(options: TlsTarget): ConnectionOptions {
  const { host, port, alpn, certPem, keyPem, session } = options;
  return {
    host,
    port,
    minVersion: TLS_MIN_VERSION,
    ciphers: TLS_CIPHERS,
    rejectUnauthorized: false,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ...(alpn === undefined ? {} : { ALPNProtocols: [...alpn] }),
    ...(certPem === undefined || keyPem === undefined ? {} : { cert: certPem, key: keyPem }),
    ...(session === undefined ? {} : { session: session.session }),
  };
}

function ignore(): void {
  // Nothing to do: see where it is used.
}

function untrustedPeer(what: string, problem: string): MusterError {
  return new MusterError({
    code: "untrusted",
    message: `the certificate of ${what} ${problem}`,
    detail: { hint: "nothing was sent to it; check address, CA and clock" },
  });
}

function unreachable(options: TlsTarget, cause: Error | undefined): MusterError {
  const code = cause !== undefined && "code" in cause ? String(cause.code) : "closed by the peer";
  return new MusterError({
    code: "unavailable",
    message:
      `cannot connect to ${options.what} at ${options.host}:${options.port}: ` +
      (UNREACHABLE[code] ?? code),
    detail: { hint: "check address and port, and that it runs" },
    cause,
  });
}

/** Codes of the socket and of TLS in words. */
const UNREACHABLE: { readonly [code: string]: string } = {
  ECONNREFUSED: "nothing answers there",
  ECONNRESET: "the connection broke",
  ENOTFOUND: "that name has no address",
  EAI_AGAIN: "that name has no address",
  EHOSTUNREACH: "no route leads there",
  ENETUNREACH: "no route leads there",
  ETIMEDOUT: "no route leads there",
  // Of a gateway that passes the connection on.
  ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR: "it cannot reach the center, or too many devices enrol",
  ERR_SSL_WRONG_VERSION_NUMBER: "what answers there does not speak TLS",
};

function timedOut(options: TlsTarget): MusterError {
  const { what, host, port, timeoutMs } = options;
  return new MusterError({
    code: "deadline_exceeded",
    message: `${what} at ${host}:${port} did not answer within ${timeoutMs} ms`,
  });
}

function cancelled(what: string): MusterError {
  return new MusterError({ code: "cancelled", message: `connecting to ${what} was given up` });
}
