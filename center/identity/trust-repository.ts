// SPDX-License-Identifier: Apache-2.0
/**
 * The center's TUF repository (specification 1.0.31): takes targets metadata that the operator
 * signed, publishes it under a new snapshot and timestamp, keeps those two fresh, and hands all
 * files to the gateways. It holds the online keys only: whoever takes over the center can hide
 * releases for a while, but cannot make one.
 *
 * The set in memory changes after its timestamp is on disk, in one assignment: a reader sees the
 * old set or the new one. Publications and renewals run one after the other. Rotating root keys:
 * put the next `N.root.json`, signed by the old keys and the new, into the folder and restart.
 */
import { hash } from "node:crypto";
import { MusterError } from "../../domain/errors.ts";
import type { ArtifactStore } from "../../ports/artifact-store.ts";
import type { Clock } from "../../ports/clock.ts";
import { OFFER_KEYS_TARGET } from "../../protocol/device/enrolment.ts";
import { makePrivateFolder } from "../../protocol/trust/durable-file.ts";
import {
  metadataExpiryMs,
  metadataFileName,
  parseMetadata,
  verifyRoleSignature,
} from "../../protocol/trust/tuf-metadata.ts";
import type { TufMetadataByRole } from "../../protocol/trust/tuf-metadata.ts";
import { findTarget } from "../../protocol/trust/tuf-targets.ts";
import { faultPoint } from "../../runtime/faults.ts";
import { join } from "node:path";
import { createTrustSet } from "./trust-creation.ts";
import { listTrustFiles, loadTrustSet, removeOutdated, writeTrustFile } from "./trust-files.ts";
import type { SignedFile, TrustFile, TrustSet } from "./trust-files.ts";
import { loadOrCreateOnlineKeys, TRUST_LIFETIME_MS } from "./trust-keys.ts";
import type { OnlineKeys } from "./trust-keys.ts";
import { signSnapshot, signTimestamp } from "./trust-signing.ts";

export type PublishResult =
  | { readonly ok: true; readonly version: number }
  | { readonly ok: false; readonly reason: "conflict"; readonly currentVersion: number };

export interface TrustRepositoryOptions {
  /** Holds `metadata/` and `keys/`. */
  readonly directory: string;
  /** Where root and targets keys are written at the first start. */
  readonly operatorDirectory: string;
  readonly artifacts: ArtifactStore;
  /** Raw public keys to announce at the first start; later the operator signs changes. */
  readonly offerKeys: readonly Uint8Array[];
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Opens the repository, making it at the first start and refreshing what ran out meanwhile. */
export async function openTrustRepository(
  options: TrustRepositoryOptions,
): Promise<TrustRepository> {
  const directory = join(options.directory, "metadata");
  await makePrivateFolder(directory);
  const keys = await loadOrCreateOnlineKeys(join(options.directory, "keys"));
  let set = await loadTrustSet(directory);
  if (set === null) {
    const nowMs = options.clock.wallMs();
    await createTrustSet({ ...options, directory, onlineKeys: keys, nowMs });
    set = await loadTrustSet(directory);
  }
  if (set === null) throw new Error("assertion failed: the repository was just made");
  const { artifacts, clock } = options;
  const repository = new TrustRepository({ directory, keys, set, artifacts, clock });
  await repository.renewIfDue();
  return repository;
}

export class TrustRepository {
  readonly #directory: string;
  readonly #keys: OnlineKeys;
  readonly #artifacts: ArtifactStore;
  readonly #clock: Clock;
  readonly #listeners: Set<() => void>;
  #set: TrustSet;
  #queue: Promise<unknown>;

  constructor(options: {
    directory: string;
    keys: OnlineKeys;
    set: TrustSet;
    artifacts: ArtifactStore;
    clock: Clock;
  }) {
    this.#directory = options.directory;
    this.#keys = options.keys;
    this.#set = options.set;
    this.#artifacts = options.artifacts;
    this.#clock = options.clock;
    this.#listeners = new Set();
    this.#queue = Promise.resolve();
  }

  /** SHA-256 (hex) of root version 1: what an enrolment token pins. */
  get rootSha256(): string {
    return hash("sha256", this.#set.roots[0]?.bytes ?? Buffer.alloc(0), "hex");
  }

  /** Bytes of one root version, or null. */
  rootFile(version: number): Buffer | null {
    return this.#set.roots[version - 1]?.bytes ?? null;
  }

  /**
   * Everything a device may ask for: `N.root.json`, `N.snapshot.json`, `N.targets.json`,
   * `timestamp.json`.
   */
  files(): readonly TrustFile[] {
    return listTrustFiles(this.#set);
  }

  /** What the operator signs the next version of. */
  currentTargets(): { readonly version: number; readonly bytes: Buffer } {
    const { metadata, bytes } = this.#set.targets;
    return { version: metadata.signed.version, bytes };
  }

  /** Digest and length of a published target, or null. */
  target(path: string): { readonly sha256: string; readonly lengthBytes: number } | null {
    return findTarget(this.#set.targets.metadata.signed, path);
  }

  /** Ends of validity that only the operator can move, milliseconds since 1970. */
  operatorExpiry(): { readonly rootMs: number; readonly targetsMs: number } {
    const root = this.#set.roots.at(-1);
    return {
      rootMs: root === undefined ? 0 : metadataExpiryMs(root.metadata),
      targetsMs: metadataExpiryMs(this.#set.targets.metadata),
    };
  }

  /** Calls `listener` after each change of `files()`; returns how to stop. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /**
   * Publishes targets metadata signed by the operator over version `expectedVersion`. The same
   * bytes again are no conflict, so a lost answer may be asked for again. Every new target's blob
   * must be stored already. Throws `untrusted` (signature, shape), `invalid_argument` (expired, no
   * offer keys, delegations), `failed_precondition` (blob missing).
   */
  publishTargets(options: {
    bytes: Uint8Array;
    expectedVersion: number;
    signal: AbortSignal;
  }): Promise<PublishResult> {
    return this.#inTurn(() => this.#publish(options));
  }

  /**
   * Signs snapshot and timestamp anew when less than half of their time is left; true if it did.
   * To be called at least every few hours (`runTrustRenewal` does).
   */
  renewIfDue(): Promise<boolean> {
    return this.#inTurn(async () => {
      const { targets, snapshot, timestamp } = this.#set;
      const nowMs = this.#clock.wallMs();
      const snapshotDueMs = metadataExpiryMs(snapshot.metadata) - TRUST_LIFETIME_MS.snapshot / 2;
      const timestampDueMs = metadataExpiryMs(timestamp.metadata) - TRUST_LIFETIME_MS.timestamp / 2;
      if (nowMs < snapshotDueMs && nowMs < timestampDueMs) return false;
      await this.#replace(targets, nowMs >= snapshotDueMs ? null : snapshot);
      return true;
    });
  }

  async #publish(options: {
    bytes: Uint8Array;
    expectedVersion: number;
    signal: AbortSignal;
  }): Promise<PublishResult> {
    const bytes = Buffer.from(options.bytes);
    const current = this.#set.targets;
    const currentVersion = current.metadata.signed.version;
    if (bytes.equals(current.bytes)) return { ok: true, version: currentVersion };
    const metadata = parseMetadata("targets", bytes, "the targets metadata");
    this.#verify(metadata);
    const { version } = metadata.signed;
    if (options.expectedVersion !== currentVersion || version !== currentVersion + 1) {
      return { ok: false, reason: "conflict", currentVersion };
    }
    await this.#checkContents(metadata, options.signal);
    await this.#replace({ name: metadataFileName("targets", version), bytes, metadata }, null);
    return { ok: true, version };
  }

  #verify(metadata: TufMetadataByRole["targets"]): void {
    const root = this.#set.roots.at(-1);
    if (root === undefined) throw new Error("assertion failed: a repository has a root");
    verifyRoleSignature(root.metadata, "targets", metadata, "the targets metadata");
    if (metadataExpiryMs(metadata) <= this.#clock.wallMs()) {
      throw invalid("the targets metadata has expired already", "sign it again");
    }
    if (metadata.signed.delegations !== undefined) {
      throw invalid("the targets metadata delegates, which devices do not follow", "sign it whole");
    }
    if (findTarget(metadata.signed, OFFER_KEYS_TARGET) === null) {
      const hint = "sign the next version of the current targets, which has it";
      throw invalid(`the targets metadata lacks ${OFFER_KEYS_TARGET}: no offer would count`, hint);
    }
  }

  async #checkContents(metadata: TufMetadataByRole["targets"], signal: AbortSignal): Promise<void> {
    const before = this.#set.targets.metadata.signed;
    for (const path of Object.keys(metadata.signed.targets)) {
      const fact = findTarget(metadata.signed, path);
      if (fact === null || findTarget(before, path)?.sha256 === fact.sha256) continue;
      const blob = await this.#artifacts.stat(fact.sha256, { signal });
      if (blob?.lengthBytes === fact.lengthBytes) continue;
      throw new MusterError({
        code: "failed_precondition",
        message: `the content of the target ${path} (SHA-256 ${fact.sha256}) is not stored`,
        detail: { hint: "upload it first, then publish again" },
      });
    }
  }

  /** Writes targets (if new), snapshot (unless one is kept) and timestamp, in that order. */
  async #replace(
    targets: SignedFile<"targets">,
    kept: SignedFile<"snapshot"> | null,
  ): Promise<void> {
    const before = this.#set;
    const nowMs = this.#clock.wallMs();
    const keys = this.#keys;
    if (targets !== before.targets) await writeTrustFile(this.#directory, targets);
    faultPoint("center.trust.targets-written");
    const snapshot =
      kept ??
      signSnapshot({
        version: before.snapshot.metadata.signed.version + 1,
        targets,
        targetsVersion: targets.metadata.signed.version,
        keys,
        nowMs,
      });
    if (kept === null) await writeTrustFile(this.#directory, snapshot);
    faultPoint("center.trust.snapshot-written");
    const version = before.timestamp.metadata.signed.version + 1;
    const timestamp = signTimestamp({ version, snapshot, keys, nowMs });
    await writeTrustFile(this.#directory, timestamp);
    faultPoint("center.trust.timestamp-written");
    const previous = kept === null ? [before.snapshot, before.targets] : before.previous;
    const isPast = (file: TrustFile): boolean => file.name !== targets.name;
    this.#set = { ...before, targets, snapshot, timestamp, previous: previous.filter(isPast) };
    for (const listener of this.#listeners) listener();
    // Published already; what could not be removed the next opening removes.
    await removeOutdated(this.#directory, this.#set).catch(() => undefined);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#queue.then(work);
    this.#queue = result.catch(() => undefined); // The caller has the error; the next its turn.
    return result;
  }
}

function invalid(message: string, hint: string): MusterError {
  return new MusterError({ code: "invalid_argument", message, detail: { hint } });
}
