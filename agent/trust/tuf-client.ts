// SPDX-License-Identifier: Apache-2.0
/**
 * The device's TUF client: the client workflow of the TUF specification 1.0.31 §5 over
 * `@tufjs/models`, on the device's working time (tuf-js reads the system's date, which here may say
 * 1970). From the root pinned at enrolment it follows root, timestamp, snapshot and targets; then
 * it knows which releases exist, by digest, and whose signature counts on an offer.
 *
 * Each step that verified is kept even when a later one fails, so a mirror cannot take back what it
 * has shown. The caller persists `state` after each `refresh`, also after one that threw.
 */
import { hash } from "node:crypto";
import { MusterError } from "../../domain/errors.ts";
import { OFFER_KEYS_TARGET, offerKeysSchema } from "../../protocol/device/enrolment.ts";
import type { OfferKeys } from "../../protocol/device/enrolment.ts";
import {
  MAX_METADATA_BYTES,
  metadataFileName,
  parseMetadata,
  untrusted,
} from "../../protocol/trust/tuf-metadata.ts";
import { findTarget } from "../../protocol/trust/tuf-targets.ts";
import {
  checkFresh,
  checkNamed,
  checkNextRoot,
  checkNextSnapshot,
  checkNextTimestamp,
  haveOnlineKeysChanged,
  readSigned,
} from "./tuf-rules.ts";
import type { Trusted } from "./tuf-rules.ts";
import type { TrustState } from "./trust-state.ts";

/** Roots followed in one refresh: a rotation a week for a device that was dark for a year. */
const MAX_ROOT_UPDATES = 64;

/** Largest content of `muster/offer-keys.json`: eight keys are 0.5 KiB. */
const MAX_OFFER_KEYS_BYTES = 4_096;

/** Where metadata and targets come from: a gateway, untrusted. */
export interface TrustSource {
  /**
   * Bytes of a metadata file, cut off with an error above `maxBytes`; null = there is no such file.
   */
  metadata(
    name: string,
    options: { maxBytes: number; signal: AbortSignal },
  ): Promise<Uint8Array | null>;
  /** Bytes of a target by digest; the client checks them. */
  blob(
    facts: { sha256: string; lengthBytes: number },
    options: { signal: AbortSignal },
  ): Promise<Uint8Array>;
}

interface TrustedFiles {
  readonly root: Trusted<"root">;
  readonly timestamp: Trusted<"timestamp"> | null;
  readonly snapshot: Trusted<"snapshot"> | null;
  readonly targets: Trusted<"targets"> | null;
  readonly offerKeys: { readonly bytes: Buffer; readonly keys: OfferKeys } | null;
}

interface RefreshOptions {
  readonly source: TrustSource;
  readonly workingTimeMs: number;
  readonly signal: AbortSignal;
}

/**
 * A client that continues from the kept state. What in it does not verify (a half-written disk) is
 * forgotten, but for the root, without which it throws `corrupt`.
 */
export function openTufClient(options: { state: TrustState }): TufClient {
  return new TufClient({ files: readState(options.state) });
}

export class TufClient {
  #files: TrustedFiles;

  constructor(options: { files: TrustedFiles }) {
    this.#files = options.files;
  }

  /** To be kept on disk. */
  get state(): TrustState {
    const { root, timestamp, snapshot, targets, offerKeys } = this.#files;
    const base64 = (file: { readonly bytes: Buffer } | null): string | null =>
      file === null ? null : file.bytes.toString("base64");
    return {
      schema: "muster.trust-state/v1",
      root: root.bytes.toString("base64"),
      timestamp: base64(timestamp),
      snapshot: base64(snapshot),
      targets: base64(targets),
      offerKeys: base64(offerKeys),
    };
  }

  /** Digest and length of a target of the newest verified targets metadata, or null. */
  targetFacts(path: string): { readonly sha256: string; readonly lengthBytes: number } | null {
    const { targets } = this.#files;
    return targets === null ? null : findTarget(targets.metadata.signed, path);
  }

  /** The keys whose signature counts on offers and times; null before the first refresh. */
  offerKeys(): OfferKeys | null {
    return this.#files.offerKeys?.keys ?? null;
  }

  /**
   * Follows the repository to its newest state. Throws `untrusted` (says what does not hold),
   * `unavailable` (a file is missing at the source) and whatever the source throws.
   */
  async refresh(options: RefreshOptions): Promise<void> {
    const { workingTimeMs } = options;
    await this.#updateRoot(options);
    checkFresh("root", this.#files.root, workingTimeMs);
    const timestamp = await this.#updateTimestamp(options);
    const snapshot = await this.#updateSnapshot(timestamp, options);
    const targets = await this.#updateTargets(snapshot, options);
    await this.#updateOfferKeys(targets, options);
  }

  /** §5.3. */
  async #updateRoot({ source, signal }: RefreshOptions): Promise<void> {
    const before = this.#files.root;
    for (let count = 0; count < MAX_ROOT_UPDATES; count += 1) {
      const { root } = this.#files;
      const name = metadataFileName("root", root.metadata.signed.version + 1);
      const bytes = await source.metadata(name, { maxBytes: MAX_METADATA_BYTES.root, signal });
      if (bytes === null) break;
      this.#files = { ...this.#files, root: checkNextRoot(root, bytes) };
    }
    const { root, targets } = this.#files;
    if (root === before) return;
    if (haveOnlineKeysChanged(before, root)) {
      this.#files = { ...this.#files, timestamp: null, snapshot: null };
    }
    // Targets of a key that the new root has withdrawn must not live on because they are cached.
    const bytes = targets?.bytes.toString("base64") ?? null;
    const stillTrusted = orNull(bytes, (kept) => readSigned(root, "targets", kept));
    this.#files = { ...this.#files, targets: stillTrusted };
  }

  /** §5.4. */
  async #updateTimestamp(options: RefreshOptions): Promise<Trusted<"timestamp">> {
    const bytes = await fetchFile("timestamp", "timestamp.json", options);
    const next = readSigned(this.#files.root, "timestamp", bytes);
    const timestamp = checkNextTimestamp(this.#files.timestamp, next);
    checkFresh("timestamp", timestamp, options.workingTimeMs);
    this.#files = { ...this.#files, timestamp };
    return timestamp;
  }

  /** §5.5. */
  async #updateSnapshot(
    timestamp: Trusted<"timestamp">,
    options: RefreshOptions,
  ): Promise<Trusted<"snapshot">> {
    const fact = timestamp.metadata.signed.snapshotMeta;
    let { snapshot } = this.#files;
    if (snapshot === null || hash("sha256", snapshot.bytes, "hex") !== fact.hashes?.["sha256"]) {
      const name = metadataFileName("snapshot", fact.version);
      const bytes = await fetchFile("snapshot", name, options);
      const next = readSigned(this.#files.root, "snapshot", bytes);
      checkNamed("snapshot", fact, bytes, next.metadata.signed.version);
      checkNextSnapshot(snapshot, next);
      snapshot = next;
    }
    checkFresh("snapshot", snapshot, options.workingTimeMs);
    this.#files = { ...this.#files, snapshot };
    return snapshot;
  }

  /** §5.6, without delegations: the center publishes none. */
  async #updateTargets(
    snapshot: Trusted<"snapshot">,
    options: RefreshOptions,
  ): Promise<Trusted<"targets">> {
    const fact = snapshot.metadata.signed.meta["targets.json"];
    if (fact === undefined) throw untrusted("the snapshot metadata names no targets");
    let { targets } = this.#files;
    if (targets === null || hash("sha256", targets.bytes, "hex") !== fact.hashes?.["sha256"]) {
      const name = metadataFileName("targets", fact.version);
      const bytes = await fetchFile("targets", name, options);
      const next = readSigned(this.#files.root, "targets", bytes);
      checkNamed("targets", fact, bytes, next.metadata.signed.version);
      targets = next;
    }
    checkFresh("targets", targets, options.workingTimeMs);
    this.#files = { ...this.#files, targets };
    return targets;
  }

  async #updateOfferKeys(targets: Trusted<"targets">, options: RefreshOptions): Promise<void> {
    const facts = findTarget(targets.metadata.signed, OFFER_KEYS_TARGET);
    if (facts === null) throw untrusted(`the targets metadata lacks ${OFFER_KEYS_TARGET}`);
    const { offerKeys } = this.#files;
    if (offerKeys !== null && hash("sha256", offerKeys.bytes, "hex") === facts.sha256) return;
    if (facts.lengthBytes > MAX_OFFER_KEYS_BYTES) {
      throw untrusted(`the target ${OFFER_KEYS_TARGET} has ${facts.lengthBytes} bytes, too many`);
    }
    const bytes = Buffer.from(await options.source.blob(facts, { signal: options.signal }));
    this.#files = { ...this.#files, offerKeys: readOfferKeys(bytes, facts) };
  }
}

async function fetchFile(
  role: "timestamp" | "snapshot" | "targets",
  name: string,
  { source, signal }: RefreshOptions,
): Promise<Uint8Array> {
  const bytes = await source.metadata(name, { maxBytes: MAX_METADATA_BYTES[role], signal });
  if (bytes !== null) return bytes;
  throw new MusterError({
    code: "unavailable",
    message: `the gateway has no ${name}`,
    detail: { hint: "a new version may have been published meanwhile: refresh again" },
  });
}

function readOfferKeys(
  bytes: Buffer,
  facts: { sha256: string; lengthBytes: number },
): NonNullable<TrustedFiles["offerKeys"]> {
  if (bytes.length !== facts.lengthBytes || hash("sha256", bytes, "hex") !== facts.sha256) {
    throw untrusted(`the target ${OFFER_KEYS_TARGET} is not what was signed (tampered)`);
  }
  try {
    return { bytes, keys: offerKeysSchema.parse(JSON.parse(bytes.toString("utf8"))) };
  } catch (cause) {
    throw untrusted(`the target ${OFFER_KEYS_TARGET} does not list offer keys`, cause);
  }
}

function readState(state: TrustState): TrustedFiles {
  const rootBytes = Buffer.from(state.root, "base64");
  let root: Trusted<"root">;
  try {
    const metadata = parseMetadata("root", rootBytes, "the kept root metadata");
    root = { bytes: rootBytes, metadata };
  } catch (cause) {
    const message = "the kept root metadata cannot be read";
    const detail = { hint: "start again from trust/1.root.json" };
    throw new MusterError({ code: "corrupt", message, detail, cause });
  }
  const kept = <R extends "timestamp" | "snapshot" | "targets">(role: R): Trusted<R> | null =>
    orNull(state[role], (bytes) => readSigned(root, role, bytes));
  const targets = kept("targets");
  const facts = targets === null ? null : findTarget(targets.metadata.signed, OFFER_KEYS_TARGET);
  return {
    root,
    timestamp: kept("timestamp"),
    snapshot: kept("snapshot"),
    targets,
    offerKeys:
      facts === null ? null : orNull(state.offerKeys, (bytes) => readOfferKeys(bytes, facts)),
  };
}

function orNull<T>(base64: string | null, read: (bytes: Buffer) => T): T | null {
  if (base64 === null) return null;
  try {
    return read(Buffer.from(base64, "base64"));
  } catch {
    return null; // Damaged on disk: fetched again, as if never seen.
  }
}
