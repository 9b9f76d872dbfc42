// SPDX-License-Identifier: Apache-2.0
/**
 * Makes the TUF repository at the center's first start. The timestamp is written last: a start cut
 * short before it is repeated by the next one, with the keys and the root that exist already.
 */
import { hash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { MusterError } from "../../domain/errors.ts";
import type { ArtifactStore } from "../../ports/artifact-store.ts";
import { OFFER_KEYS_TARGET } from "../../protocol/device/enrolment.ts";
import type { OfferKeys } from "../../protocol/device/enrolment.ts";
import { readFileIfPresent } from "../../protocol/trust/durable-file.ts";
import { firstTargets, TARGETS_LIFETIME_MS } from "../../protocol/trust/sign-targets.ts";
import { metadataFileName } from "../../protocol/trust/tuf-metadata.ts";
import { writeTrustFile } from "./trust-files.ts";
import type { TrustFile } from "./trust-files.ts";
import { loadOrCreateOperatorKeys } from "./trust-keys.ts";
import type { OnlineKeys } from "./trust-keys.ts";
import { signFirstRoot, signSnapshot, signTimestamp } from "./trust-signing.ts";

/**
 * Writes root, targets, snapshot and timestamp, each version 1, and the offer keys' blob. Throws
 * `corrupt` when the folder holds more than a first start can have left.
 */
export async function createTrustSet(options: {
  directory: string;
  operatorDirectory: string;
  onlineKeys: OnlineKeys;
  /** Raw public keys. */
  offerKeys: readonly Uint8Array[];
  artifacts: ArtifactStore;
  nowMs: number;
  signal: AbortSignal;
}): Promise<void> {
  const { directory, onlineKeys, nowMs } = options;
  await checkUnpublished(directory);
  const operatorKeys = await loadOrCreateOperatorKeys(options.operatorDirectory);
  if ((await readFileIfPresent(join(directory, metadataFileName("root", 1)))) === null) {
    await writeTrustFile(directory, signFirstRoot({ operatorKeys, onlineKeys, nowMs }));
  }
  const content = encodeOfferKeys(options.offerKeys);
  const facts = { sha256: hash("sha256", content, "hex"), lengthBytes: content.length };
  await options.artifacts.put(facts, oneChunk(content), { signal: options.signal });
  const bytes = firstTargets({
    targets: [{ path: OFFER_KEYS_TARGET, content: facts }],
    key: operatorKeys.targets,
    expiresMs: nowMs + TARGETS_LIFETIME_MS,
  });
  const targets: TrustFile = { name: metadataFileName("targets", 1), bytes };
  await writeTrustFile(directory, targets);
  const keys = onlineKeys;
  const snapshot = signSnapshot({ version: 1, targets, targetsVersion: 1, keys, nowMs });
  await writeTrustFile(directory, snapshot);
  await writeTrustFile(directory, signTimestamp({ version: 1, snapshot, keys, nowMs }));
}

/** The content of the target `muster/offer-keys.json`. */
export function encodeOfferKeys(keys: readonly Uint8Array[]): Buffer {
  const content: OfferKeys = {
    schema: "muster.offer-keys/v1",
    keys: keys.map((key) => Buffer.from(key).toString("base64")),
  };
  return Buffer.from(`${JSON.stringify(content)}\n`);
}

/** Versions above 1 without a timestamp are a loss, and starting over would roll devices back. */
async function checkUnpublished(directory: string): Promise<void> {
  const later = (await readdir(directory)).find((name) => {
    const match = /^(\d+)\.(?:root|snapshot|targets)\.json$/.exec(name);
    return match !== null && Number(match[1]) > 1;
  });
  if (later === undefined) return;
  throw new MusterError({
    code: "corrupt",
    message: `the trust metadata timestamp.json is missing although ${later} was published`,
    detail: { file: directory, hint: "restore the trust folder from a backup" },
  });
}

async function* oneChunk(bytes: Buffer): AsyncIterable<Uint8Array> {
  yield bytes;
}
