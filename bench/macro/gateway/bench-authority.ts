// SPDX-License-Identifier: Apache-2.0
/** Certificates of the bench: the center's own authority in a folder of the run. */
import { createPrivateKey, createPublicKey, hash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { newKeyPem } from "../../../center/identity/authority-files.ts";
import {
  openCertificateAuthority,
  type CertificateAuthority,
} from "../../../center/identity/certificate-authority.ts";
import type { CertificateRequest } from "../../../center/identity/certificate-request.ts";
import { DEFAULT_TENANT } from "../../../domain/identity.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";

export const REGION = "bench";
export const GATEWAY = "gw-1";

/** PEM texts. */
export interface KeyAndCertificate {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

/** `folder` has it in `ca`: a new one, or that of a center whose data folder it is. */
export async function openBenchAuthority(folder: string): Promise<CertificateAuthority> {
  const directory = join(folder, "ca");
  await mkdir(directory, { recursive: true });
  return openCertificateAuthority({ directory, clock: systemClock, random: systemRandom });
}

export async function centerIdentity(authority: CertificateAuthority): Promise<KeyAndCertificate> {
  const issued = await authority.issueServer({ hosts: ["localhost"] });
  return { key: issued.keyPem, cert: issued.certificatePem, ca: authority.caPem };
}

/** Writes what enrolment leaves in a gateway's data folder. */
export async function writeGatewayIdentity(
  authority: CertificateAuthority,
  dataFolder: string,
): Promise<void> {
  const { key, request } = newKey();
  const hosts = ["localhost", "127.0.0.1"];
  const names = { region: REGION, gateway: GATEWAY, hosts };
  const issued = await authority.issueGateway({ request, ...names });
  await mkdir(join(dataFolder, "identity"), { recursive: true, mode: 0o700 });
  await mkdir(join(dataFolder, "trust"), { recursive: true, mode: 0o700 });
  await writeFile(join(dataFolder, "identity", "key.pem"), key, { mode: 0o600 });
  await writeFile(join(dataFolder, "identity", "cert.pem"), issued.certificatePem);
  await writeFile(join(dataFolder, "identity", "ca.pem"), authority.caPem);
  // Devices fetch it through the gateway; these do not.
  await writeFile(join(dataFolder, "trust", "1.root.json"), "{}");
}

/** What enrolment gives a device, without the way there. */
export async function issueDevice(
  authority: CertificateAuthority,
  device: string,
): Promise<KeyAndCertificate> {
  const { key, request } = newKey();
  const issued = await authority.issueDevice({ request, tenant: DEFAULT_TENANT, device });
  return { key, cert: issued.certificatePem, ca: authority.caPem };
}

function newKey(): { readonly key: string; readonly request: CertificateRequest } {
  const key = newKeyPem();
  const form = { format: "der", type: "spki" } as const;
  const publicKeyDer = createPublicKey(createPrivateKey(key)).export(form);
  return { key, request: { publicKeyDer, publicKeySha256: hash("sha256", publicKeyDer, "hex") } };
}
