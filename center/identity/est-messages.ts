// SPDX-License-Identifier: Apache-2.0
/**
 * What goes over the enrolment listener: a request as plain data, an answer as plain data, and the
 * encodings of RFC 7030 between them. Errors are one line of text for a person with a shell.
 */
import type { X509Certificate } from "node:crypto";
import { errorCodeFacts, isMusterError } from "../../domain/errors.ts";
import type { MusterError } from "../../domain/errors.ts";

export interface EstRequest {
  readonly method: string;
  /** Path without the query. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
  readonly body: Uint8Array;
  /** The certificate of the TLS client, unverified but for its possession; null = none. */
  readonly clientCertificate: X509Certificate | null;
}

export interface EstAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** Seconds a client waits at least after a 429 or 503; each answer adds a random part. */
const MIN_RETRY_SECONDS = 2;
const RETRY_SPREAD_SECONDS = 8;

/** RFC 7030 §4.1.3, §4.2.3: a certs-only PKCS#7, base64 in lines of 64. */
export function pkcs7Answer(der: Buffer): EstAnswer {
  return {
    status: 200,
    headers: {
      "content-type": "application/pkcs7-mime; smime-type=certs-only",
      "content-transfer-encoding": "base64",
    },
    body: der.toString("base64").replaceAll(/.{1,64}/g, "$&\n"),
  };
}

export function jsonAnswer(body: string | Uint8Array): EstAnswer {
  return { status: 200, headers: { "content-type": "application/json" }, body };
}

export function textAnswer(
  status: number,
  line: string,
  headers: Readonly<Record<string, string>> = {},
): EstAnswer {
  return {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", ...headers },
    body: `${line}\n`,
  };
}

/**
 * An error as a status and a line: what is wrong; what to do. `spread` in [0, 1) spreads retries.
 */
export function errorAnswer(error: MusterError, spread: number): EstAnswer {
  const { http } = errorCodeFacts(error.code);
  const { hint } = error.detail;
  const headers: Record<string, string> = {};
  if (http === 401) headers["www-authenticate"] = 'Basic realm="muster enrolment"';
  if (http === 429 || http === 503) {
    const seconds = MIN_RETRY_SECONDS + Math.floor(spread * RETRY_SPREAD_SECONDS);
    headers["retry-after"] = String(seconds);
  }
  return textAnswer(
    http,
    hint === undefined ? error.message : `${error.message}; ${hint}`,
    headers,
  );
}

/** True for failures that need nobody's attention: the caller was told what to do. */
export function isCallersFault(error: unknown): boolean {
  return isMusterError(error) && errorCodeFacts(error.code).responder === "caller";
}

/**
 * The token of `Authorization: Basic` (its password; the user name says nothing) or `Bearer`; null
 * when there is neither.
 */
export function tokenFrom(authorization: string | undefined): string | null {
  const match = /^(basic|bearer) +([^\s]+) *$/i.exec(authorization ?? "");
  if (match?.[1] === undefined || match[2] === undefined) return null;
  if (match[1].toLowerCase() === "bearer") return match[2];
  const text = Buffer.from(match[2], "base64").toString("utf8");
  const colon = text.indexOf(":");
  return colon < 0 ? null : text.slice(colon + 1);
}
