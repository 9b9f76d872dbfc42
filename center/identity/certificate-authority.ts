// SPDX-License-Identifier: Apache-2.0
/**
 * The built-in certificate authority: one self-signed P-256 certificate that devices and gateways
 * pin, and the three kinds of certificate it issues directly, without intermediates:
 *
 * | for | key usage | SAN |
 * | --- | --- | --- |
 * | a device | client | URI `muster://{tenant}/{device}` |
 * | a gateway | client, server | URI `muster-gateway://{region}/{gateway}`, its hosts |
 * | the center | server | URI `muster-center://center`, its hosts |
 *
 * Names come from the caller (token, old certificate, configuration), never from the request. The
 * common name is a constant: X.509 stops it at 64 characters, so nobody may read an identity there.
 */
import { createPrivateKey, createPublicKey, hash } from "node:crypto";
import type { X509Certificate } from "node:crypto";
import type { Extension as X509Extension, Name as X509Name } from "@peculiar/x509";
import { isIP } from "node:net";
import { MusterError } from "../../domain/errors.ts";
import { deviceUri, gatewayUri } from "../../domain/identity.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import { CENTER_URI } from "../../protocol/trust/certificate-identity.ts";
import { x509Library } from "../../protocol/trust/x509-library.ts";
import { AUTHORITY_ALGORITHM, loadOrCreateAuthority, newKeyPem } from "./authority-files.ts";
import { newSerial } from "./authority-files.ts";
import type { AuthorityFiles } from "./authority-files.ts";
import type { CertificateRequest } from "./certificate-request.ts";

/** A year, for devices and gateways alike unless the operator says otherwise. */
export const DEFAULT_CERTIFICATE_LIFETIME_MS: number = 365 * 86_400_000;

/** Ninety days: the center renews its own certificate, so it may be short. */
export const SERVER_CERTIFICATE_LIFETIME_MS: number = 90 * 86_400_000;

/** Certificates begin this much before they are issued, for clocks that are behind. */
export const CERTIFICATE_BACKDATE_MS = 300_000;

/** Most DNS names and addresses of one certificate. */
export const MAX_CERTIFICATE_HOSTS = 32;

const CLIENT_USAGE = "1.3.6.1.5.5.7.3.2";
const SERVER_USAGE = "1.3.6.1.5.5.7.3.1";
const HOST_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
const HOST_PATTERN = new RegExp(`^(?=.{1,253}$)${HOST_LABEL}(\\.${HOST_LABEL})*$`);

export interface IssuedCertificate {
  readonly certificateDer: Buffer;
  readonly certificatePem: string;
  /** Lower-case hex. */
  readonly serial: string;
  /** The SAN URI. */
  readonly uri: string;
  readonly notBeforeMs: number;
  readonly notAfterMs: number;
  readonly publicKeySha256: string;
}

interface CertificateTemplate {
  readonly publicKeyDer: Buffer;
  readonly commonName: "muster-device" | "muster-gateway" | "muster-center";
  readonly uri: string;
  readonly hosts: readonly string[];
  readonly usages: readonly string[];
  readonly lifetimeMs: number;
}

/** What every certificate says about its issuer, encoded once. */
interface Issuer {
  readonly name: X509Name;
  readonly keyIdentifier: X509Extension;
}

/** Loads the authority from `directory` or makes it there at the first start. */
export async function openCertificateAuthority(options: {
  directory: string;
  clock: Clock;
  random: Random;
  /** Default a year. */
  certificateLifetimeMs?: number;
}): Promise<CertificateAuthority> {
  const { directory, clock, random } = options;
  const files = await loadOrCreateAuthority({ directory, nowMs: clock.wallMs(), random });
  const certificateLifetimeMs = options.certificateLifetimeMs ?? DEFAULT_CERTIFICATE_LIFETIME_MS;
  const library = x509Library();
  const own = new library.X509Certificate(files.certificate.raw);
  const issuer: Issuer = {
    name: own.subjectName,
    keyIdentifier: await library.AuthorityKeyIdentifierExtension.create(own),
  };
  return new CertificateAuthority({ files, issuer, clock, random, certificateLifetimeMs });
}

export class CertificateAuthority {
  readonly caPem: string;
  readonly caDer: Buffer;
  /** SHA-256 (hex) of the certificate's DER: what an enrolment token pins. */
  readonly caSha256: string;
  readonly certificate: X509Certificate;
  readonly #issuer: Issuer;
  readonly #signingKey: AuthorityFiles["signingKey"];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #lifetimeMs: number;

  constructor(options: {
    files: AuthorityFiles;
    issuer: Issuer;
    clock: Clock;
    random: Random;
    certificateLifetimeMs: number;
  }) {
    this.caPem = options.files.pem;
    this.certificate = options.files.certificate;
    this.caDer = options.files.certificate.raw;
    this.caSha256 = hash("sha256", options.files.certificate.raw, "hex");
    this.#issuer = options.issuer;
    this.#signingKey = options.files.signingKey;
    this.#clock = options.clock;
    this.#random = options.random;
    this.#lifetimeMs = options.certificateLifetimeMs;
  }

  issueDevice(options: {
    request: CertificateRequest;
    tenant: string;
    device: string;
  }): Promise<IssuedCertificate> {
    return this.#issue({
      publicKeyDer: options.request.publicKeyDer,
      commonName: "muster-device",
      uri: deviceUri(options.tenant, options.device),
      hosts: [],
      usages: [CLIENT_USAGE],
      lifetimeMs: this.#lifetimeMs,
    });
  }

  /** `hosts`: DNS names and addresses at which devices and siblings reach the gateway. */
  issueGateway(options: {
    request: CertificateRequest;
    region: string;
    gateway: string;
    hosts: readonly string[];
  }): Promise<IssuedCertificate> {
    checkHosts(options.hosts);
    return this.#issue({
      publicKeyDer: options.request.publicKeyDer,
      commonName: "muster-gateway",
      uri: gatewayUri(options.region, options.gateway),
      hosts: options.hosts,
      usages: [CLIENT_USAGE, SERVER_USAGE],
      lifetimeMs: this.#lifetimeMs,
    });
  }

  /** A certificate of the center with a new key of its own, for its TLS listeners. */
  async issueServer(options: {
    hosts: readonly string[];
  }): Promise<IssuedCertificate & { readonly keyPem: string }> {
    checkHosts(options.hosts);
    const keyPem = newKeyPem();
    const publicKey = createPublicKey(createPrivateKey(keyPem));
    const issued = await this.#issue({
      publicKeyDer: publicKey.export({ format: "der", type: "spki" }),
      commonName: "muster-center",
      uri: CENTER_URI,
      hosts: options.hosts,
      usages: [SERVER_USAGE],
      lifetimeMs: SERVER_CERTIFICATE_LIFETIME_MS,
    });
    return { ...issued, keyPem };
  }

  /** A certs-only PKCS#7 (RFC 7030 §4.1.3), DER. */
  pkcs7(certificatesDer: readonly Uint8Array[]): Buffer {
    const { X509Certificate: Certificate, X509Certificates } = x509Library();
    const bundle = new X509Certificates(
      certificatesDer.map((der) => new Certificate(Buffer.from(der))),
    );
    return Buffer.from(bundle.export("raw"));
  }

  async #issue(template: CertificateTemplate): Promise<IssuedCertificate> {
    const library = x509Library();
    const nowMs = this.#clock.wallMs();
    const authorityEndMs = this.certificate.validToDate.getTime();
    const key = template.publicKeyDer;
    const publicKeySha256 = hash("sha256", key, "hex");
    const certificate = await library.X509CertificateGenerator.create({
      serialNumber: newSerial(this.#random),
      subject: `CN=${template.commonName}`,
      issuer: this.#issuer.name,
      notBefore: new Date(nowMs - CERTIFICATE_BACKDATE_MS),
      notAfter: new Date(Math.min(nowMs + template.lifetimeMs, authorityEndMs)),
      publicKey: key,
      signingKey: this.#signingKey,
      signingAlgorithm: AUTHORITY_ALGORITHM,
      extensions: [
        new library.BasicConstraintsExtension(false, undefined, true),
        new library.KeyUsagesExtension(library.KeyUsageFlags.digitalSignature, true),
        new library.ExtendedKeyUsageExtension([...template.usages]),
        new library.SubjectAlternativeNameExtension([
          { type: "url", value: template.uri },
          ...template.hosts.map((host) => ({ type: hostType(host), value: host })),
        ]),
        this.#issuer.keyIdentifier,
        // RFC 7093 §2, method 4: a truncated SHA-256 of the public key.
        new library.SubjectKeyIdentifierExtension(publicKeySha256.slice(0, 40)),
      ],
    });
    const certificateDer = Buffer.from(certificate.rawData);
    return {
      certificateDer,
      certificatePem: `${certificate.toString("pem")}\n`,
      serial: certificate.serialNumber.toLowerCase(),
      uri: template.uri,
      notBeforeMs: certificate.notBefore.getTime(),
      notAfterMs: certificate.notAfter.getTime(),
      publicKeySha256,
    };
  }
}

/** Throws `invalid_argument` unless each is a DNS name or an IP address, at most 32 of them. */
export function checkHosts(hosts: readonly string[]): void {
  if (hosts.length > MAX_CERTIFICATE_HOSTS) {
    throw new MusterError({
      code: "invalid_argument",
      message: `a certificate has at most ${MAX_CERTIFICATE_HOSTS} hosts, not ${hosts.length}`,
      detail: { field: "hosts" },
    });
  }
  for (const host of hosts) {
    if (isIP(host) !== 0 || HOST_PATTERN.test(host)) continue;
    throw new MusterError({
      code: "invalid_argument",
      message: `${JSON.stringify(host.slice(0, 260))} is not a DNS name or an IP address`,
      detail: { field: "hosts" },
    });
  }
}

function hostType(host: string): "ip" | "dns" {
  return isIP(host) === 0 ? "dns" : "ip";
}
