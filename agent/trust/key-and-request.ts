// SPDX-License-Identifier: Apache-2.0
/** The device's own key (P-256, never leaves the device) and the request to have it certified. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, webcrypto } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { MusterError } from "../../domain/errors.ts";
import { x509Library } from "../../protocol/trust/x509-library.ts";

const P256 = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const;

/** A new key, PKCS#8 PEM. */
export function generateDeviceKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "prime256v1" });
  return privateKey.export({ format: "pem", type: "pkcs8" });
}

/** Reads a P-256 key; throws `invalid_argument` when it is another thing. */
export function readDeviceKey(pem: string): KeyObject {
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyDetails?.namedCurve === "prime256v1") return key;
  } catch (cause) {
    throw badKey(cause);
  }
  throw badKey(undefined);
}

/** A PKCS#10 request for the key, base64 as RFC 7030 §4.2.1 wants it. It names nobody. */
export async function certificateRequest(keyPem: string): Promise<string> {
  const library = x509Library();
  const key = readDeviceKey(keyPem);
  const { subtle } = webcrypto;
  const privateDer = key.export({ format: "der", type: "pkcs8" });
  const publicDer = createPublicKey(key).export({ format: "der", type: "spki" });
  const request = await library.Pkcs10CertificateRequestGenerator.create({
    name: "CN=muster-device",
    keys: {
      privateKey: await subtle.importKey("pkcs8", privateDer, P256, false, ["sign"]),
      publicKey: await subtle.importKey("spki", publicDer, P256, true, ["verify"]),
    },
    signingAlgorithm: P256,
  });
  return Buffer.from(request.rawData).toString("base64");
}

function badKey(cause: unknown): MusterError {
  return new MusterError({
    code: "invalid_argument",
    message: "the device key is not a P-256 private key in PEM",
    detail: { hint: "remove the key file and enrol again with a new token" },
    cause,
  });
}
