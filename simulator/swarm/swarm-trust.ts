// SPDX-License-Identifier: Apache-2.0
/**
 * What all devices of a process trust, checked once for all of them: one TUF client, one verifier
 * of offers (each signature is checked once a batch, each offer's place in it for each device), one
 * answer a release. Manifests are fetched and hashed by each device, and parsed once.
 */
import { describeError, isMusterError } from "../../domain/errors.ts";
import type { MusterError } from "../../domain/errors.ts";
import { delay } from "../../ports/clock.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Random } from "../../ports/random.ts";
import type { OfferKeys } from "../../protocol/device/enrolment.ts";
import type { OfferedRelease, OfferPayload } from "../../protocol/device/offer.ts";
import {
  MAX_MANIFEST_BYTES,
  releaseManifestSchema,
} from "../../protocol/device/release-manifest.ts";
import type { ReleaseManifest } from "../../protocol/device/release-manifest.ts";
import { OfferVerifier } from "../../agent/trust/offer-verifier.ts";
import { firstTrustState } from "../../agent/trust/trust-state.ts";
import { openTufClient } from "../../agent/trust/tuf-client.ts";
import type { TrustSource, TufClient } from "../../agent/trust/tuf-client.ts";
import type { WorkingTime } from "../../agent/trust/working-time.ts";
import type { ArtifactPool } from "./artifact-pool.ts";
import type { SwarmIdentity } from "./identity-book.ts";
import { refused } from "./judge-offer.ts";
import type { DownloadedRelease, PreparedRelease, RefusedWork } from "./model-effects.ts";

/** A gateway may be behind the center; between two tries it is given up to so long. */
const TRIES_MAX = 5;
const PAUSE_MS = 2_000;
/** Releases whose answer is remembered; the oldest goes. */
const MAX_RELEASES = 256;

/** On whose behalf something is fetched. */
export interface Fetcher {
  readonly identity: SwarmIdentity;
  readonly moveCount: number;
}

export interface SwarmTrustOptions {
  /** TUF root version 1. */
  readonly root: Buffer;
  readonly tenant: string;
  readonly pool: ArtifactPool;
  readonly workingTime: WorkingTime;
  readonly clock: Clock;
  readonly random: Random;
  readonly signal: AbortSignal;
}

export class SwarmTrust {
  readonly #options: SwarmTrustOptions;
  readonly #client: TufClient;
  #refreshing: Promise<MusterError | null> | null = null;
  #verifier: { readonly keys: OfferKeys; readonly verifier: OfferVerifier } | null = null;
  readonly #checks = new Map<string, Promise<RefusedWork | null>>();
  readonly #manifests = new Map<string, ReleaseManifest | null>();

  constructor(options: SwarmTrustOptions) {
    this.#options = options;
    this.#client = openTufClient({ state: firstTrustState(options.root) });
  }

  /** The offer that the center signed, whoever it is for; null = not verified. */
  verify(message: unknown, device: string): OfferPayload | null {
    const keys = this.#client.offerKeys();
    if (keys === null) return null;
    if (this.#verifier?.keys !== keys) {
      this.#verifier = { keys, verifier: new OfferVerifier({ keys }) };
    }
    const { tenant, workingTime } = this.#options;
    const workingTimeMs = workingTime.nowMs();
    return this.#verifier.verifier.verify({ message, tenant, device, workingTimeMs }).offer;
  }

  /** Null when the client is current; many callers share one refresh. */
  refresh(fetcher: Fetcher): Promise<MusterError | null> {
    this.#refreshing ??= this.#refresh(fetcher).finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  /** Whether the operator signed what is offered, and its manifest. Throws the signal's reason. */
  async prepare(offer: OfferPayload, fetcher: Fetcher): Promise<PreparedRelease> {
    const { release } = offer;
    if (release === undefined || offer.action === "remove")
      return { kind: "ready", manifest: null };
    const refusal = await this.#check(release, fetcher);
    if (refusal !== null) return refusal;
    const manifest = await this.#manifest(release, fetcher);
    return "kind" in manifest ? manifest : { kind: "ready", manifest };
  }

  /** Fetches every artifact of the manifest. Throws the signal's reason. */
  async download(manifest: ReleaseManifest, fetcher: Fetcher): Promise<DownloadedRelease> {
    const byDigest = new Map(manifest.artifacts.map((artifact) => [artifact.sha256, artifact]));
    for (const { sha256, lengthBytes } of byDigest.values()) {
      const failure = await this.#fetchBlob({ sha256, lengthBytes }, { ...fetcher, isKept: false });
      if (!Buffer.isBuffer(failure)) return failure;
    }
    return { kind: "ready" };
  }

  #check(release: OfferedRelease, fetcher: Fetcher): Promise<RefusedWork | null> {
    const key = `${release.target} ${release.sha256}`;
    const known = this.#checks.get(key);
    if (known !== undefined) return known;
    const check = this.#findTarget(release, fetcher);
    remember(this.#checks, key, check);
    // A refusal is not for ever: a later offer asks again.
    const forget = (): void => void this.#checks.delete(key);
    check.then((refusal) => refusal !== null && forget(), forget);
    return check;
  }

  async #findTarget(release: OfferedRelease, fetcher: Fetcher): Promise<RefusedWork | null> {
    const { clock, random, signal } = this.#options;
    const { target, sha256, lengthBytes } = release;
    for (let tryCount = 1; ; tryCount += 1) {
      const facts = this.#client.targetFacts(target);
      if (facts?.sha256 === sha256 && facts.lengthBytes === lengthBytes) return null;
      if (tryCount > TRIES_MAX) {
        return refused("untrusted-release", `${target} is not signed by the operator like this`);
      }
      const failure = await this.refresh(fetcher);
      if (failure?.code === "untrusted") return refused("untrusted-release", failure.message);
      if (tryCount > 1) await delay(clock, random.next() * PAUSE_MS, signal);
    }
  }

  async #manifest(
    release: OfferedRelease,
    fetcher: Fetcher,
  ): Promise<ReleaseManifest | RefusedWork> {
    const { sha256, lengthBytes } = release;
    if (lengthBytes > MAX_MANIFEST_BYTES) {
      return refused("untrusted-release", `the manifest has ${lengthBytes} bytes, too many`);
    }
    const bytes = await this.#fetchBlob({ sha256, lengthBytes }, { ...fetcher, isKept: true });
    if (!Buffer.isBuffer(bytes)) return bytes;
    const known = this.#manifests.get(sha256);
    const manifest = known === undefined ? parseManifest(bytes) : known;
    if (known === undefined) remember(this.#manifests, sha256, manifest);
    return manifest ?? refused("untrusted-release", "the manifest is not of that form");
  }

  async #fetchBlob(
    expected: { readonly sha256: string; readonly lengthBytes: number },
    how: Fetcher & { readonly isKept: boolean },
  ): Promise<Buffer | RefusedWork> {
    const path = `/artifacts/sha256/${expected.sha256}`;
    const maxBytes = expected.lengthBytes;
    try {
      const bytes = await this.#options.pool.fetch({ ...how, path, maxBytes, expected });
      return bytes ?? refused("download-failed", `the gateway has no ${path}`);
    } catch (error) {
      this.#options.signal.throwIfAborted();
      if (!isMusterError(error)) throw error;
      const reason = error.code === "untrusted" ? "digest-mismatch" : "download-failed";
      return refused(reason, describeError(error));
    }
  }

  async #refresh(fetcher: Fetcher): Promise<MusterError | null> {
    const { workingTime, signal } = this.#options;
    try {
      const source = this.#source(fetcher);
      await this.#client.refresh({ source, workingTimeMs: workingTime.nowMs(), signal });
      return null;
    } catch (error) {
      signal.throwIfAborted();
      if (!isMusterError(error)) throw error;
      return error;
    }
  }

  #source({ identity, moveCount }: Fetcher): TrustSource {
    const { pool } = this.#options;
    const how = { identity, moveCount, isKept: true };
    return {
      metadata: (name, { maxBytes }) =>
        pool.fetch({ ...how, path: `/tuf/${name}`, maxBytes, expected: null }),
      blob: async (expected) => {
        const blob = await this.#fetchBlob(expected, how);
        return Buffer.isBuffer(blob) ? blob : Buffer.alloc(0); // The client checks the bytes.
      },
    };
  }
}

function parseManifest(bytes: Buffer): ReleaseManifest | null {
  try {
    return releaseManifestSchema.parse(JSON.parse(bytes.toString("utf8")));
  } catch {
    return null; // Signed, and not a manifest: the operator's tools are broken.
  }
}

function remember<T>(known: Map<string, T>, key: string, value: T): void {
  const [oldest] = known.keys();
  if (known.size >= MAX_RELEASES && oldest !== undefined) known.delete(oldest);
  known.set(key, value);
}
