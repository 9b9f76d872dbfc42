// SPDX-License-Identifier: Apache-2.0
/**
 * What the operator does with the targets key, away from the center: takes the current targets
 * metadata, adds or removes a target, signs the next version. The center only checks and publishes
 * the result (center/identity/trust-repository.ts); it never holds this key.
 */
import { hash } from "node:crypto";
import type { KeyObject } from "node:crypto";
import { Metadata, TargetFile } from "@tufjs/models";
import type { Root, Targets } from "@tufjs/models";
import { MusterError } from "../../domain/errors.ts";
import { readEd25519Pem } from "./ed25519.ts";
import { encodeMetadata, parseMetadata, signMetadata, tufTime } from "./tuf-metadata.ts";
import { TUF_SPEC_VERSION, verifyRoleSignature } from "./tuf-metadata.ts";
import { findTarget, ManyTargets } from "./tuf-targets.ts";

/** How long signed targets count, milliseconds: a year. Each release signed begins a new one. */
export const TARGETS_LIFETIME_MS: number = 365 * 86_400_000;

/** A target's content, or its digest and length where the content is elsewhere. */
export type TargetContent =
  | { readonly bytes: Uint8Array }
  | { readonly sha256: string; readonly lengthBytes: number };

/**
 * The next version of the targets metadata with one target more. The same target with the same
 * content may be added again; with other content throws `already_exists` unless `replace`, for a
 * release never changes. Throws `invalid_argument` for a wrong key file (named by `keyFile`),
 * `untrusted` when the current bytes are not targets metadata.
 */
export function addTarget(options: {
  currentTargetsBytes: Uint8Array;
  path: string;
  content: TargetContent;
  replace?: boolean;
  keyPem: string;
  keyFile: string;
  /** End of validity, milliseconds since 1970: now + `TARGETS_LIFETIME_MS` as a rule. */
  expiresMs: number;
}): Buffer {
  const facts = contentFacts(options.content);
  return signNext(options, (targets) => {
    const existing = findTarget(targets, options.path);
    if (existing !== null && existing.sha256 !== facts.sha256 && options.replace !== true) {
      throw new MusterError({
        code: "already_exists",
        message: `the target ${options.path} exists with other content`,
        detail: { hint: "a release never changes: give the changed one a new version" },
      });
    }
    targets.addTarget(targetFile(options.path, facts));
  });
}

/** The next version without that target; throws `not_found` when it is not there. */
export function removeTarget(options: {
  currentTargetsBytes: Uint8Array;
  path: string;
  keyPem: string;
  keyFile: string;
  expiresMs: number;
}): Buffer {
  return signNext(options, (targets) => {
    if (findTarget(targets, options.path) === null) {
      throw new MusterError({
        code: "not_found",
        message: `there is no target ${options.path} in the targets metadata`,
      });
    }
    delete targets.targets[options.path];
  });
}

/** Version 1, made by the center at its first start with the operator's new key. */
export function firstTargets(options: {
  targets: readonly { path: string; content: TargetContent }[];
  key: KeyObject;
  expiresMs: number;
}): Buffer {
  const signed = new ManyTargets({
    version: 1,
    specVersion: TUF_SPEC_VERSION,
    expires: tufTime(options.expiresMs),
  });
  for (const { path, content } of options.targets) {
    signed.addTarget(targetFile(path, contentFacts(content)));
  }
  const metadata = new Metadata<Targets>(signed);
  signMetadata(metadata, options.key);
  return encodeMetadata(metadata);
}

/** Throws `untrusted` unless the targets metadata is signed by the key that the root names. */
export function verifyTargetsSignature(options: {
  targetsBytes: Uint8Array;
  rootBytes: Uint8Array;
}): void {
  const root: Metadata<Root> = parseMetadata("root", options.rootBytes, "the root metadata");
  const targets = parseMetadata("targets", options.targetsBytes, "the targets metadata");
  verifyRoleSignature(root, "targets", targets, "the targets metadata");
}

function signNext(
  options: { currentTargetsBytes: Uint8Array; keyPem: string; keyFile: string; expiresMs: number },
  change: (targets: Targets) => void,
): Buffer {
  const key = readEd25519Pem(options.keyPem, options.keyFile);
  const { signed } = parseMetadata(
    "targets",
    options.currentTargetsBytes,
    "the current targets metadata",
  );
  const next = new ManyTargets({
    version: signed.version + 1,
    specVersion: TUF_SPEC_VERSION,
    expires: tufTime(options.expiresMs),
    unrecognizedFields: signed.unrecognizedFields,
    ...(signed.delegations === undefined ? {} : { delegations: signed.delegations }),
    targets: { ...signed.targets },
  });
  change(next);
  const metadata = new Metadata<Targets>(next);
  signMetadata(metadata, key);
  return encodeMetadata(metadata);
}

function contentFacts(content: TargetContent): { sha256: string; lengthBytes: number } {
  if (!("bytes" in content)) return content;
  return { sha256: hash("sha256", content.bytes, "hex"), lengthBytes: content.bytes.length };
}

function targetFile(path: string, facts: { sha256: string; lengthBytes: number }): TargetFile {
  return new TargetFile({ path, length: facts.lengthBytes, hashes: { sha256: facts.sha256 } });
}
