// SPDX-License-Identifier: Apache-2.0
/**
 * The table of paths of the enrolment listener, from request data to answer data. EST (RFC 7030)
 * with or without a CA label in the path, and what else a device needs before it trusts a gateway.
 */
import { MusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import type { GatewayDirectory } from "../../protocol/device/enrolment.ts";
import type { CertificateAuthority, IssuedCertificate } from "./certificate-authority.ts";
import type { Enrolment } from "./enrolment.ts";
import { jsonAnswer, pkcs7Answer, textAnswer, tokenFrom } from "./est-messages.ts";
import type { EstAnswer, EstRequest } from "./est-messages.ts";
import type { OfferSigner } from "./offer-signer.ts";
import type { TrustRepository } from "./trust-repository.ts";

export interface EstContext {
  readonly authority: CertificateAuthority;
  /** The answer to cacerts, encoded once: every device begins by asking for it. */
  readonly caCertificates: EstAnswer;
  readonly enrolment: Enrolment;
  readonly trust: Pick<TrustRepository, "rootFile">;
  readonly offerSigner: Pick<OfferSigner, "signTime">;
  readonly directory: () => GatewayDirectory;
  readonly clock: Clock;
}

type Route = (
  context: EstContext,
  request: EstRequest,
  signal: AbortSignal,
) => EstAnswer | Promise<EstAnswer>;

/** A nonce long enough not to come twice, short enough to be cheap. */
const NONCE_PATTERN = /^[A-Za-z0-9_-]{16,64}$/;

const ROUTES: ReadonlyMap<string, { readonly method: "GET" | "POST"; readonly run: Route }> =
  new Map([
    ["est/cacerts", { method: "GET", run: (context) => context.caCertificates }],
    ["est/csrattrs", { method: "GET", run: () => textlessAnswer() }],
    ["est/simpleenroll", { method: "POST", run: simpleEnrol }],
    ["est/simplereenroll", { method: "POST", run: simpleReenrol }],
    ["muster/root.json", { method: "GET", run: rootMetadata }],
    ["muster/directory", { method: "GET", run: gatewayDirectory }],
    ["muster/time", { method: "GET", run: signedTime }],
  ]);

/** Answers a request; throws MusterError for what the caller must be told as an error. */
export async function answerEstRequest(
  context: EstContext,
  request: EstRequest,
  signal: AbortSignal,
): Promise<EstAnswer> {
  const route = ROUTES.get(routeName(request.path));
  if (route === undefined) {
    return textAnswer(404, "there is nothing at this path; see /.well-known/est/cacerts");
  }
  const method = request.method === "HEAD" ? "GET" : request.method;
  if (method !== route.method) {
    return textAnswer(405, `use ${route.method} here`, { allow: route.method });
  }
  return await route.run(context, request, signal);
}

/** `est/simpleenroll` of `/.well-known/est/simpleenroll` and of `/.well-known/est/LABEL/…`. */
function routeName(path: string): string {
  const match = /^\/\.well-known\/(est|muster)\/(?:[A-Za-z0-9._-]+\/)?([a-z.]+)$/.exec(path);
  return match === null ? "" : `${match[1]}/${match[2]}`;
}

async function simpleEnrol(
  context: EstContext,
  request: EstRequest,
  signal: AbortSignal,
): Promise<EstAnswer> {
  const token = tokenFrom(request.authorization);
  if (token === null) {
    throw new MusterError({
      code: "unauthenticated",
      message: "enrolment needs a token",
      detail: { hint: "send it as the password of HTTP Basic (curl -u device:TOKEN) or as Bearer" },
    });
  }
  const issued = await context.enrolment.enrolWithToken({
    token,
    requestBody: request.body,
    signal,
  });
  return certificateAnswer(context, issued);
}

async function simpleReenrol(
  context: EstContext,
  request: EstRequest,
  signal: AbortSignal,
): Promise<EstAnswer> {
  const certificate = request.clientCertificate;
  if (certificate === null) {
    throw new MusterError({
      code: "unauthenticated",
      message: "renewal needs the previous certificate as TLS client certificate",
      detail: { hint: "with curl: --cert cert.pem --key key.pem" },
    });
  }
  const issued = await context.enrolment.renew({ certificate, requestBody: request.body, signal });
  return certificateAnswer(context, issued);
}

function certificateAnswer(context: EstContext, issued: IssuedCertificate): EstAnswer {
  return pkcs7Answer(context.authority.pkcs7([issued.certificateDer]));
}

function rootMetadata(context: EstContext, request: EstRequest): EstAnswer {
  const text = request.query.get("version") ?? "1";
  if (!/^[1-9][0-9]{0,8}$/.test(text)) throw invalid("version", "must be a whole number from 1");
  const bytes = context.trust.rootFile(Number(text));
  if (bytes !== null) return jsonAnswer(bytes);
  return textAnswer(404, `there is no version ${text} of the root metadata`);
}

function gatewayDirectory(context: EstContext): EstAnswer {
  return jsonAnswer(`${JSON.stringify(context.directory())}\n`);
}

function signedTime(context: EstContext, request: EstRequest): EstAnswer {
  const nonce = request.query.get("nonce") ?? "";
  if (!NONCE_PATTERN.test(nonce)) {
    throw invalid("nonce", "must be 16 to 64 characters of A–Z a–z 0–9 _ -, new for each request");
  }
  const time = context.offerSigner.signTime(nonce, context.clock.wallMs());
  return jsonAnswer(`${JSON.stringify(time)}\n`);
}

/** RFC 7030 §4.5.2: no attributes are asked for. */
function textlessAnswer(): EstAnswer {
  return { status: 204, headers: {}, body: "" };
}

function invalid(field: string, problem: string): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: `the query parameter ${field} ${problem}`,
    detail: { field },
  });
}
