// SPDX-License-Identifier: Apache-2.0
/**
 * The gateway's own identity: three files that enrolment writes. `cert.pem` (leaf first, then what
 * leads to the CA) serves devices and is shown to the center; `ca.pem` is the only authority that
 * this gateway trusts, for devices and for the center.
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { join } from "node:path";
import { MusterError } from "../domain/errors.ts";
import { gatewayUri } from "../domain/identity.ts";
import { certificateIdentity } from "../protocol/trust/certificate-identity.ts";
import { readFileIfPresent, readPrivateFile } from "../protocol/trust/durable-file.ts";

export interface GatewayIdentity {
  /** PEM texts. */
  readonly key: string;
  readonly certificate: string;
  readonly authority: string;
}

/**
 * Reads and checks the files. Throws `not_found` when one is missing, `failed_precondition` when
 * others may read the key, `corrupt`, and `untrusted` when they are not this gateway's: a wrong
 * certificate would otherwise show as refused connections, one by one.
 */
export async function readIdentity(options: {
  directory: string;
  gatewayId: string;
  region: string;
}): Promise<GatewayIdentity> {
  const { directory, gatewayId, region } = options;
  const keyFile = join(directory, "key.pem");
  const file = join(directory, "cert.pem");
  const identity: GatewayIdentity = {
    key: (await readPrivateFile(keyFile)) ?? missing(keyFile),
    certificate: await readPem(file),
    authority: await readPem(join(directory, "ca.pem")),
  };
  const certificate = parse(file, () => new X509Certificate(identity.certificate));
  parse(join(directory, "ca.pem"), () => new X509Certificate(identity.authority));
  const key = parse(keyFile, () => createPrivateKey(identity.key));
  if (!certificate.checkPrivateKey(key)) {
    throw new MusterError({
      code: "untrusted",
      message: "the gateway's private key does not belong to its certificate",
      detail: { file: keyFile, hint: "enrol the gateway again" },
    });
  }
  const named = certificateIdentity(certificate);
  if (named?.role !== "gateway" || named.gateway !== gatewayId || named.region !== region) {
    throw new MusterError({
      code: "untrusted",
      message: `the gateway's certificate does not name it as ${gatewayUri(region, gatewayId)}`,
      detail: { file, hint: "check --gateway-id and --region, or enrol the gateway again" },
    });
  }
  return identity;
}

async function readPem(file: string): Promise<string> {
  const bytes = await readFileIfPresent(file);
  return bytes === null ? missing(file) : bytes.toString("utf8");
}

function missing(file: string): never {
  throw new MusterError({
    code: "not_found",
    message: "cannot find a file of the gateway's identity",
    detail: { file, hint: "enrol the gateway, or name its folder with --identity-dir" },
  });
}

function parse<Parsed>(file: string, read: () => Parsed): Parsed {
  try {
    return read();
  } catch (cause) {
    throw new MusterError({
      code: "corrupt",
      message: "a file of the gateway's identity is not what it should be",
      detail: { file, hint: "it must be PEM; enrol the gateway again" },
      cause,
    });
  }
}
