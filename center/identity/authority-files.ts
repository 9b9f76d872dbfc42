// SPDX-License-Identifier: Apache-2.0
/**
 * The certificate authority on disk: `ca.key.pem` (mode 600) and `ca.pem`, made at the first start.
 * The key is written first, so a power cut between the two leaves a key whose certificate the next
 * start makes; a certificate without its key is a loss that only a backup mends.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  webcrypto,
} from "node:crypto";
import { X509Certificate } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { join } from "node:path";
import { MusterError } from "../../domain/errors.ts";
import type { Random } from "../../ports/random.ts";
import {
  makePrivateFolder,
  PRIVATE_FILE_MODE,
  readFileIfPresent,
  readPrivateFile,
  writeDurableFile,
} from "../../protocol/trust/durable-file.ts";
import { x509Library } from "../../protocol/trust/x509-library.ts";

/** ECDSA on P-256 with SHA-256: what every TLS stack of a device can verify. */
export const AUTHORITY_ALGORITHM = {
  name: "ECDSA",
  namedCurve: "P-256",
  hash: "SHA-256",
} as const;

/**
 * Twenty years: a device that was dark for long must still find its anchor. Replacing the CA means
 * enrolling every device again.
 */
const AUTHORITY_LIFETIME_MS = 20 * 365 * 86_400_000;

/** The CA may be judged by a clock an hour behind the center's. */
const AUTHORITY_BACKDATE_MS = 3_600_000;

export type SigningKey = Awaited<ReturnType<typeof webcrypto.subtle.importKey>>;

export interface AuthorityFiles {
  readonly pem: string;
  readonly certificate: X509Certificate;
  readonly signingKey: SigningKey;
}

/** Loads the authority or makes it. Throws `corrupt` when the two files do not belong together. */
export async function loadOrCreateAuthority(options: {
  directory: string;
  nowMs: number;
  random: Random;
}): Promise<AuthorityFiles> {
  const { directory } = options;
  const keyFile = join(directory, "ca.key.pem");
  const certificateFile = join(directory, "ca.pem");
  await makePrivateFolder(directory);
  const storedPem = await readFileIfPresent(certificateFile);
  let keyPem = await readPrivateFile(keyFile);
  if (keyPem === null && storedPem !== null) {
    throw corrupt(keyFile, "the certificate authority's private key is missing");
  }
  if (keyPem === null) {
    keyPem = newKeyPem();
    await writeDurableFile(keyFile, keyPem, { mode: PRIVATE_FILE_MODE });
  }
  const key = readKey(keyPem, keyFile);
  const signingKey = await importSigningKey(key);
  let pem = storedPem?.toString("utf8");
  if (pem === undefined) {
    pem = await selfSign({ key, signingKey, ...options });
    await writeDurableFile(certificateFile, pem);
  }
  return { pem, certificate: readMatching(pem, certificateFile, key), signingKey };
}

/** A private key as WebCrypto wants it, which is what the certificate library signs with. */
export function importSigningKey(key: KeyObject): Promise<SigningKey> {
  const der = key.export({ format: "der", type: "pkcs8" });
  return webcrypto.subtle.importKey("pkcs8", der, AUTHORITY_ALGORITHM, false, ["sign"]);
}

/** A new P-256 key, PKCS#8 PEM. */
export function newKeyPem(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return privateKey.export({ format: "pem", type: "pkcs8" });
}

/** 16 random bytes as hex, positive and of full length (RFC 5280 §4.1.2.2 allows 20). */
export function newSerial(random: Random): string {
  const bytes = Buffer.from(random.bytes(16));
  bytes[0] = ((bytes[0] ?? 0) & 0x3f) | 0x40;
  return bytes.toString("hex");
}

async function selfSign(options: {
  key: KeyObject;
  signingKey: SigningKey;
  nowMs: number;
  random: Random;
}): Promise<string> {
  const library = x509Library();
  const spki = createPublicKey(options.key).export({ format: "der", type: "spki" });
  // Two installations must not share a name, or a chain builder may take one CA for the other.
  const name = `CN=Muster CA ${hash("sha256", spki, "hex").slice(0, 16)}`;
  const { KeyUsageFlags } = library;
  const certificate = await library.X509CertificateGenerator.create({
    serialNumber: newSerial(options.random),
    subject: name,
    issuer: name,
    notBefore: new Date(options.nowMs - AUTHORITY_BACKDATE_MS),
    notAfter: new Date(options.nowMs + AUTHORITY_LIFETIME_MS),
    publicKey: spki,
    signingKey: options.signingKey,
    signingAlgorithm: AUTHORITY_ALGORITHM,
    extensions: [
      new library.BasicConstraintsExtension(true, 0, true),
      new library.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await library.SubjectKeyIdentifierExtension.create(spki),
    ],
  });
  return `${certificate.toString("pem")}\n`;
}

function readKey(pem: string, file: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyDetails?.namedCurve === "prime256v1") return key;
  } catch (cause) {
    throw corrupt(file, "the certificate authority's private key cannot be read", cause);
  }
  throw corrupt(file, "the certificate authority's private key is not a P-256 key");
}

function readMatching(pem: string, file: string, key: KeyObject): X509Certificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch (cause) {
    throw corrupt(file, "the certificate authority's certificate cannot be read", cause);
  }
  if (certificate.checkPrivateKey(key)) return certificate;
  throw corrupt(file, "the certificate authority's certificate and its private key do not match");
}

function corrupt(file: string, message: string, cause?: unknown): MusterError {
  const hint = "restore both ca.pem and ca.key.pem from a backup; devices trust this CA only";
  return new MusterError({ code: "corrupt", message, detail: { file, hint }, cause });
}
