// SPDX-License-Identifier: Apache-2.0
/**
 * Signs and verifies bundles. Signing adds the release's manifest to the center's current targets
 * metadata and signs the next version with the operator's key; only the result leaves this machine.
 */
import { join } from "node:path";
import { isMusterError, MusterError } from "../../domain/errors.ts";
import { releaseTarget } from "../../protocol/device/release-manifest.ts";
import {
  addTarget,
  TARGETS_LIFETIME_MS,
  verifyTargetsSignature,
} from "../../protocol/trust/sign-targets.ts";
import { metadataExpiryMs, parseMetadata } from "../../protocol/trust/tuf-metadata.ts";
import { findTarget } from "../../protocol/trust/tuf-targets.ts";
import { formatInstant } from "../output/units.ts";
import { writeWhole } from "../files.ts";
import { TARGETS_FILE, type Bundle } from "./bundle.ts";

/** The center's metadata as it is now. */
export interface Trust {
  readonly rootBytes: Uint8Array;
  readonly targetsBytes: Uint8Array;
}

/** Writes `targets.json` into the bundle; returns the version of the metadata. */
export async function signBundle(options: {
  bundle: Bundle;
  trust: Trust;
  keyPem: string;
  keyFile: string;
  nowMs: number;
}): Promise<number> {
  const { bundle, trust, keyPem, keyFile } = options;
  verifyTargetsSignature({ targetsBytes: trust.targetsBytes, rootBytes: trust.rootBytes });
  const signed = addTarget({
    currentTargetsBytes: trust.targetsBytes,
    path: targetOf(bundle),
    content: { bytes: bundle.manifestBytes },
    keyPem,
    keyFile,
    expiresMs: options.nowMs + TARGETS_LIFETIME_MS,
  });
  try {
    verifyTargetsSignature({ targetsBytes: signed, rootBytes: trust.rootBytes });
  } catch (cause) {
    if (!isMusterError(cause)) throw cause;
    throw new MusterError({
      code: "untrusted",
      message: "this key is not the one that the center's root names for releases",
      detail: {
        file: keyFile,
        hint: "use targets.key.pem from the operator folder of the center",
      },
      cause,
    });
  }
  await writeWhole(join(bundle.folder, TARGETS_FILE), signed, "writing the signature");
  return parseMetadata("targets", signed, "the signed metadata").signed.version;
}

export interface SignatureFacts {
  readonly targetsVersion: number;
  readonly expiresMs: number;
}

/** Throws `untrusted` unless the signature leads from the root to this manifest and is in date. */
export function verifyBundleSignature(options: {
  bundle: Bundle;
  targetsBytes: Uint8Array;
  rootBytes: Uint8Array;
  nowMs: number;
}): SignatureFacts {
  const { bundle, targetsBytes, rootBytes } = options;
  verifyTargetsSignature({ targetsBytes, rootBytes });
  const file = join(bundle.folder, TARGETS_FILE);
  const metadata = parseMetadata("targets", targetsBytes, "the bundle's signature");
  const path = targetOf(bundle);
  const target = findTarget(metadata.signed, path);
  if (target?.sha256 !== bundle.sha256 || target.lengthBytes !== bundle.manifestBytes.length) {
    throw new MusterError({
      code: "untrusted",
      message:
        target === null
          ? `the signature does not list ${path}`
          : `the signature lists ${path} with another content: SHA-256 ${target?.sha256}`,
      detail: { file, hint: "sign it again: muster release sign" },
    });
  }
  const expiresMs = metadataExpiryMs(metadata);
  if (expiresMs <= options.nowMs) {
    throw new MusterError({
      code: "untrusted",
      message: `the signature ended at ${formatInstant(expiresMs)}`,
      detail: { file, hint: "sign it again: muster release sign" },
    });
  }
  return { targetsVersion: metadata.signed.version, expiresMs };
}

/** The TUF target path of a bundle's manifest. */
export function targetOf({ manifest }: Bundle): string {
  return releaseTarget(manifest.tenant, manifest.name, manifest.version);
}

/** What to say about a bundle that was never signed. */
export function notSigned(bundle: Bundle): MusterError {
  return new MusterError({
    code: "untrusted",
    message: "the bundle is not signed",
    detail: {
      file: bundle.folder,
      hint: `sign it: muster release sign ${bundle.folder} --key targets.key.pem`,
    },
  });
}
