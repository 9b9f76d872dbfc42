// SPDX-License-Identifier: Apache-2.0
/**
 * Who a gateway is: the certificate in its data folder, which its one-time token is exchanged for
 * at the first start. Its id and region are the certificate's and never an option's.
 */
import { join } from "node:path";
import { enrol } from "../../agent/trust/enrol.ts";
import { IdentityFiles } from "../../agent/trust/identity-files.ts";
import { WorkingTime } from "../../agent/trust/working-time.ts";
import { MusterError } from "../../domain/errors.ts";
import type { Clock } from "../../ports/clock.ts";
import { certificateIdentity, readCertificate } from "../../protocol/trust/certificate-identity.ts";

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
      workingTime,
      signal,
    });
    return gatewayOf(enrolled.certPem, identityDirectory);
  }
  return gatewayOf(stored.certPem, identityDirectory);
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
