// SPDX-License-Identifier: Apache-2.0
/**
 * The device's side of the center's enrolment listener: EST (RFC 7030), root metadata, directory
 * and time, each request checked as far as the one before makes possible.
 */
import { createPublicKey, hash, X509Certificate } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import { MusterError } from "../../domain/errors.ts";
import { ENROLMENT_PROTOCOL, gatewayDirectorySchema } from "../../protocol/device/enrolment.ts";
import type { GatewayDirectory, OfferKeys } from "../../protocol/device/enrolment.ts";
import { readEnrolmentUrl } from "../../protocol/device/enrolment-url.ts";
import {
  certificateIdentity,
  certificateProblem,
  issuanceProblem,
  readCertificate,
} from "../../protocol/trust/certificate-identity.ts";
import type { CertificateIdentity } from "../../protocol/trust/certificate-identity.ts";
import { untrusted } from "../../protocol/trust/tuf-metadata.ts";
import { x509Library } from "../../protocol/trust/x509-library.ts";
import type { Random } from "../../ports/random.ts";
import type { ProxyFor } from "../link/proxy-rules.ts";
import { CenterConnection } from "./center-connection.ts";
import { readDeviceKey } from "./key-and-request.ts";
import { earliestTimeByPeer, openTls, verifyPeer } from "./peer.ts";
import { readSignedTime, timeNonce } from "./working-time.ts";
import type { WorkingTime } from "./working-time.ts";

/** Time for the connection, and for each request over it. */
export const CENTER_TIMEOUT_MS = 15_000;

export interface CenterAddress {
  /** `https://HOST:7443`. */
  readonly enrolmentUrl: string;
  /** Default: no proxy. */
  readonly proxyFor?: ProxyFor | undefined;
  readonly signal: AbortSignal;
  /** Default 15 s. */
  readonly timeoutMs?: number;
}

/** Connects to the center and trusts nothing it says yet. */
export async function connectUntrusted(
  options: CenterAddress & { readonly certPem?: string; readonly keyPem?: string },
): Promise<CenterConnection> {
  const { host, port } = readEnrolmentUrl(options.enrolmentUrl);
  const timeoutMs = options.timeoutMs ?? CENTER_TIMEOUT_MS;
  const { certPem, keyPem, proxyFor, signal } = options;
  const socket = await openTls({
    host,
    port,
    proxyFor,
    what: "the center",
    // A gateway passes the connection on by the first of them, the center speaks the second.
    alpn: [ENROLMENT_PROTOCOL, "http/1.1"],
    ...(certPem === undefined || keyPem === undefined ? {} : { certPem, keyPem }),
    timeoutMs,
    signal,
  });
  return new CenterConnection({ socket, timeoutMs });
}

/** Throws `untrusted` unless the connection's peer is the center of this CA. */
export function trustCenter(
  connection: CenterConnection,
  options: { caPem: string; workingTime: WorkingTime },
): void {
  const { caPem, workingTime } = options;
  const earliestMs = earliestTimeByPeer(connection.socket, caPem);
  if (earliestMs !== null) workingTime.raiseFloor(earliestMs);
  verifyPeer(connection.socket, {
    caPem,
    expect: "center",
    workingTimeMs: workingTime.nowMs(),
    what: "the center",
  });
}

/** The CA certificate that the token pins, PEM. Throws `untrusted` when the center has another. */
export async function fetchPinnedAuthority(
  connection: CenterConnection,
  options: { caSha256: string; signal: AbortSignal },
): Promise<string> {
  const path = "/.well-known/est/cacerts";
  const body = await connection.fetch({ method: "GET", path, signal: options.signal });
  const pinned = readPkcs7(body).find((certificate) => {
    return hash("sha256", certificate.raw, "hex") === options.caSha256;
  });
  if (pinned !== undefined) return pinned.toString();
  throw new MusterError({
    code: "untrusted",
    message: "the center's certificate authority is not the one that the token names",
    detail: {
      hint: "check the address; the token was made by another installation, or this is not it",
    },
  });
}

/** The bytes of root version 1. Throws `untrusted` unless they are those that the token pins. */
export async function fetchPinnedRoot(
  connection: CenterConnection,
  options: { rootSha256: string; signal: AbortSignal },
): Promise<Buffer> {
  const path = "/.well-known/muster/root.json?version=1";
  const bytes = await connection.fetch({ method: "GET", path, signal: options.signal });
  if (hash("sha256", bytes, "hex") === options.rootSha256) return bytes;
  throw untrusted("the center's TUF root is not the one that the token names");
}

/**
 * Sends a request to simpleenroll (with a token) or simplereenroll (by the client certificate) and
 * checks the answer: issued by our CA, for our key, to whom we expect. PEM.
 */
export async function fetchCertificate(
  connection: CenterConnection,
  options: {
    token: string | null;
    requestBase64: string;
    keyPem: string;
    caPem: string;
    expected: CertificateIdentity;
    signal: AbortSignal;
  },
): Promise<X509Certificate> {
  const { token } = options;
  const credentials = Buffer.from(`device:${token ?? ""}`).toString("base64");
  const body = await connection.fetch({
    method: "POST",
    path: `/.well-known/est/${token === null ? "simplereenroll" : "simpleenroll"}`,
    headers: {
      "content-type": "application/pkcs10",
      "content-transfer-encoding": "base64",
      ...(token === null ? {} : { authorization: `Basic ${credentials}` }),
    },
    body: options.requestBase64,
    signal: options.signal,
  });
  const key = readDeviceKey(options.keyPem);
  const own = createPublicKey(key);
  const certificate = readPkcs7(body).find((candidate) => candidate.publicKey.equals(own));
  if (certificate === undefined) throw untrusted("the center issued no certificate for our key");
  const authority = readCertificate(options.caPem, "the pinned CA");
  const problem = issuanceProblem({ certificate, authority, usage: "client" });
  if (problem !== null) throw untrusted(`the certificate that the center sent ${problem}`);
  if (isDeepStrictEqual(certificateIdentity(certificate), options.expected)) return certificate;
  throw untrusted("the certificate that the center sent is for somebody else");
}

/** Gateways to connect to, as the center knows them now. */
export async function fetchDirectory(
  connection: CenterConnection,
  options: { signal: AbortSignal },
): Promise<GatewayDirectory> {
  const path = "/.well-known/muster/directory";
  const body = await connection.fetch({ method: "GET", path, signal: options.signal });
  const directory = gatewayDirectorySchema.safeParse(parseJson(body));
  if (directory.success) return directory.data;
  throw untrusted("the center's directory of gateways is not of that form", directory.error);
}

/**
 * Asks the center for the time and anchors working time to it. The peer's certificate is judged at
 * the time it signed, not at ours: a device whose clock is wrong could never ask otherwise, and
 * what counts is the signature over our nonce by an announced offer key. Throws `untrusted`.
 */
export async function synchroniseTime(
  options: CenterAddress & {
    readonly caPem: string;
    readonly keys: OfferKeys;
    readonly workingTime: WorkingTime;
    readonly random: Random;
  },
): Promise<void> {
  using connection = await connectUntrusted(options);
  const nonce = timeNonce(options.random);
  const path = `/.well-known/muster/time?nonce=${nonce}`;
  const body = await connection.fetch({ method: "GET", path, signal: options.signal });
  const nowMs = readSignedTime({ message: parseJson(body), nonce, keys: options.keys });
  const certificate = connection.socket.getPeerX509Certificate();
  const authority = readCertificate(options.caPem, "the pinned CA");
  const problem =
    certificate === undefined
      ? "was not sent"
      : certificateProblem({ certificate, authority, usage: "server", nowMs });
  if (problem !== null) throw untrusted(`the certificate of the center ${problem}`);
  options.workingTime.anchor(nowMs);
}

function readPkcs7(body: Buffer): readonly X509Certificate[] {
  const { X509Certificates } = x509Library();
  try {
    const der = Buffer.from(body.toString("latin1").replaceAll(/\s/g, ""), "base64");
    return [...new X509Certificates(der)].map(
      (certificate) => new X509Certificate(Buffer.from(certificate.rawData)),
    );
  } catch (cause) {
    throw untrusted("the center's answer is not a PKCS#7 of certificates", cause);
  }
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString("utf8"));
  } catch {
    return null; // Not JSON: every schema refuses null.
  }
}
