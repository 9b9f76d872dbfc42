// SPDX-License-Identifier: Apache-2.0
/** Opens what the center signs and issues with: CA, server certificate, offer key, TUF files. */
import { join } from "node:path";
import { OFFER_KEYS_TARGET, offerKeysSchema } from "../protocol/device/enrolment.ts";
import type { ArtifactStore } from "../ports/artifact-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Random } from "../ports/random.ts";
import {
  openCertificateAuthority,
  type CertificateAuthority,
} from "./identity/certificate-authority.ts";
import { openCredentialSealer, type CredentialSealer } from "./identity/credential-sealer.ts";
import { createEnrolmentToken } from "./identity/enrolment-tokens.ts";
import { openOfferSigner, type OfferSigner } from "./identity/offer-signer.ts";
import { createServerCertificate, type ServerCertificate } from "./identity/server-certificate.ts";
import { openTrustRepository, type TrustRepository } from "./identity/trust-repository.ts";
import type { MakeToken } from "./api/devices.ts";

export interface CenterIdentity {
  readonly authority: CertificateAuthority;
  readonly certificate: ServerCertificate;
  readonly offerSigner: OfferSigner;
  readonly trust: TrustRepository;
  readonly makeToken: MakeToken;
  readonly credentialSealer: CredentialSealer;
}

export async function openCenterIdentity(options: {
  dataDirectory: string;
  operatorDirectory: string;
  hosts: readonly string[];
  artifacts: ArtifactStore;
  clock: Clock;
  random: Random;
  logger: Logger;
  signal: AbortSignal;
}): Promise<CenterIdentity> {
  const { dataDirectory, operatorDirectory, artifacts, clock, random, logger, signal } = options;
  const authority = await openCertificateAuthority({
    directory: join(dataDirectory, "ca"),
    clock,
    random,
  });
  const directory = join(dataDirectory, "secrets");
  const offerSigner = await openOfferSigner({ directory });
  const credentialSealer = await openCredentialSealer({ directory, random });
  const trust = await openTrustRepository({
    directory: join(dataDirectory, "trust"),
    operatorDirectory,
    artifacts,
    offerKeys: [offerSigner.publicKeyRaw],
    clock,
    signal,
  });
  await checkOfferKey(trust, offerSigner, artifacts, logger, signal);
  const hosts = [...new Set(["localhost", "127.0.0.1", "::1", ...options.hosts])];
  const certificate = await createServerCertificate({ authority, hosts, clock, logger });
  const makeToken: MakeToken = ({ lifetimeMs, ...grant }) =>
    createEnrolmentToken({
      grant,
      caSha256: authority.caSha256,
      rootSha256: trust.rootSha256,
      nowMs: clock.wallMs(),
      ...(lifetimeMs === 0 ? {} : { lifetimeMs }),
      random,
    });
  return { authority, certificate, offerSigner, trust, makeToken, credentialSealer };
}

/**
 * Devices accept offers of announced keys only. If the key file was lost, the center has made a new
 * one that nobody knows: it says so at every start until the operator has announced it.
 */
async function checkOfferKey(
  trust: TrustRepository,
  signer: OfferSigner,
  artifacts: ArtifactStore,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  const target = trust.target(OFFER_KEYS_TARGET);
  if (target === null) return;
  const chunks: Uint8Array[] = [];
  for await (const chunk of artifacts.read(target.sha256, { signal })) chunks.push(chunk);
  const announced = offerKeysSchema.parse(JSON.parse(Buffer.concat(chunks).toString("utf8")));
  if (announced.keys.includes(signer.publicKeyRaw.toString("base64"))) return;
  logger.error("the offer key is not announced: devices will refuse every offer", {
    target: OFFER_KEYS_TARGET,
    keyId: signer.keyId,
  });
}

/** Newest root.json and targets.json, as signed: what an operator signs the successor of. */
export function newestTrust(trust: TrustRepository): {
  root: Uint8Array;
  targets: Uint8Array;
  targetsVersion: number;
} {
  let root = trust.rootFile(1);
  for (let version = 2; trust.rootFile(version) !== null; version++) root = trust.rootFile(version);
  const { version, bytes } = trust.currentTargets();
  return { root: root ?? new Uint8Array(), targets: bytes, targetsVersion: version };
}
