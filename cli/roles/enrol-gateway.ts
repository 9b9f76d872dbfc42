// SPDX-License-Identifier: Apache-2.0
/**
 * Who a gateway is: the certificate in its data folder, which its one-time token is exchanged for
 * at the first start. Its id and region are the certificate's and never an option's.
 */
import { join } from "node:path";
import { enrol, reenrol } from "../../agent/trust/enrol.ts";
import { IdentityFiles } from "../../agent/trust/identity-files.ts";
import { WorkingTime } from "../../agent/trust/working-time.ts";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import {
  certificateDates,
  certificateIdentity,
  readCertificate,
} from "../../protocol/trust/certificate-identity.ts";

export interface EnrolledGateway {
  readonly gateway: string;
  readonly region: string;
  /** Where `key.pem`, `cert.pem` and `ca.pem` are. */
  readonly identityDirectory: string;
}

/** `token` undefined = the gateway must be enrolled already. */
export async function enrolGateway(options: {
  dataDirectory: string;
  enrolmentUrl: string | undefined;
  token: string | undefined;
  clock: Clock;
  signal: AbortSignal;
}): Promise<EnrolledGateway> {
  const { dataDirectory, clock, signal } = options;
  const identityDirectory = join(dataDirectory, "identity");
  const stored = await new IdentityFiles({ directory: dataDirectory }).load();
  if (stored === null) {
    if (options.token === undefined || options.enrolmentUrl === undefined) {
      throw notEnrolled(dataDirectory);
    }
    const { token, enrolmentUrl } = options;
    const workingTime = new WorkingTime({ clock, floorMs: 0 });
    const enrolled = await enrol({
      directory: dataDirectory,
      enrolmentUrl,
      token,
      role: "gateway",
      workingTime,
      signal,
    });
    return gatewayOf(enrolled.certPem, identityDirectory);
  }
  const certPem = await renewIfDue({ ...options, certPem: stored.certPem });
  return gatewayOf(certPem, identityDirectory);
}

/**
 * Renewed at a start when less than a third of its life is left: gateways are restarted by their
 * upgrades. Without an enrolment address, or while the center is away, the old one serves on.
 */
async function renewIfDue(options: {
  dataDirectory: string;
  enrolmentUrl: string | undefined;
  certPem: string;
  clock: Clock;
  signal: AbortSignal;
}): Promise<string> {
  const { certPem, clock, enrolmentUrl, signal } = options;
  const certificate = readCertificate(certPem, "the gateway's certificate");
  const { notBeforeMs, notAfterMs } = certificateDates(certificate);
  const leftMs = notAfterMs - clock.wallMs();
  if (leftMs > (notAfterMs - notBeforeMs) / 3 || enrolmentUrl === undefined) return certPem;
  try {
    const directory = options.dataDirectory;
    const workingTime = new WorkingTime({ clock, floorMs: notBeforeMs });
    return (await reenrol({ directory, enrolmentUrl, workingTime, signal })).certPem;
  } catch (error) {
    if (leftMs > 0 && isMusterError(error) && error.code === "unavailable") return certPem;
    throw error;
  }
}

function gatewayOf(certPem: string, identityDirectory: string): EnrolledGateway {
  const file = join(identityDirectory, "cert.pem");
  const identity = certificateIdentity(readCertificate(certPem, "the gateway's certificate"));
  if (identity !== null && identity.role === "gateway") {
    return { gateway: identity.gateway, region: identity.region, identityDirectory };
  }
  throw new MusterError({
    code: "untrusted",
    message: "the certificate is not a gateway's",
    detail: { file, hint: "make a token with `muster gateway enroll` and use a new data folder" },
  });
}

function notEnrolled(dataDirectory: string): MusterError {
  return new MusterError({
    code: "failed_precondition",
    message: "this gateway is not enrolled yet",
    detail: {
      file: dataDirectory,
      hint:
        "make a token with `muster gateway enroll` and start once with " +
        "--enrolment-url and --enrol-token-file",
    },
  });
}
