// SPDX-License-Identifier: Apache-2.0
/** Certificates for a test: the center's own authority, in a folder of the test. */
import { createPrivateKey, createPublicKey, hash } from "node:crypto";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { newKeyPem } from "../../../center/identity/authority-files.ts";
import {
  openCertificateAuthority,
  type CertificateAuthority,
} from "../../../center/identity/certificate-authority.ts";
import type { CertificateRequest } from "../../../center/identity/certificate-request.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { systemRandom } from "../../../runtime/system-random.ts";

export interface KeyAndCertificate {
  readonly key: string;
  readonly cert: string;
  readonly ca: string;
}

export class FixtureAuthority {
  readonly #authority: CertificateAuthority;

  private constructor(authority: CertificateAuthority) {
    this.#authority = authority;
  }

  static async create(directory: string): Promise<FixtureAuthority> {
    await mkdir(directory, { recursive: true });
    const options = { directory, clock: systemClock, random: systemRandom };
    return new FixtureAuthority(await openCertificateAuthority(options));
  }

  get ca(): string {
    return this.#authority.caPem;
  }

  async device(tenant: string, device: string): Promise<KeyAndCertificate> {
    const { key, request } = newRequest();
    const issued = await this.#authority.issueDevice({ request, tenant, device });
    return { key, cert: issued.certificatePem, ca: this.ca };
  }

  async gateway(region: string, gateway: string): Promise<KeyAndCertificate> {
    const { key, request } = newRequest();
    const hosts = ["localhost", "127.0.0.1"];
    const issued = await this.#authority.issueGateway({ request, region, gateway, hosts });
    return { key, cert: issued.certificatePem, ca: this.ca };
  }

  async center(): Promise<KeyAndCertificate> {
    const issued = await this.#authority.issueServer({ hosts: ["localhost", "127.0.0.1"] });
    return { key: issued.keyPem, cert: issued.certificatePem, ca: this.ca };
  }
}

/** Writes `key.pem`, `cert.pem`, `ca.pem` as enrolment does. */
export async function writeIdentity(directory: string, identity: KeyAndCertificate): Promise<void> {
  await mkdir(directory, { recursive: true });
  await writeFile(join(directory, "key.pem"), identity.key, { mode: 0o600 });
  await writeFile(join(directory, "cert.pem"), identity.cert);
  await writeFile(join(directory, "ca.pem"), identity.ca);
}

function newRequest(): { key: string; request: CertificateRequest } {
  const key = newKeyPem();
  const publicKeyDer = createPublicKey(createPrivateKey(key)).export({
    format: "der",
    type: "spki",
  });
  return { key, request: { publicKeyDer, publicKeySha256: hash("sha256", publicKeyDer, "hex") } };
}
