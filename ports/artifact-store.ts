// SPDX-License-Identifier: Apache-2.0
/**
 * Immutable blobs by SHA-256 (64 lower-case hex characters). Written once: a blob appears whole and
 * verified, or not at all; the same bytes twice are one blob. Largest blob: 16 GiB.
 */
export const SHA256_PATTERN: RegExp = /^[0-9a-f]{64}$/;
export const MAX_BLOB_BYTES: number = 16 * 2 ** 30;

export interface BlobFacts {
  readonly sha256: string;
  readonly lengthBytes: number;
}

/**
 * Every method throws MusterError: `no_space`, `corrupt`, `untrusted` (digest differs),
 * `too_large`.
 */
export interface ArtifactStore {
  /** null when there is no such blob. */
  stat(sha256: string, options: { signal: AbortSignal }): Promise<BlobFacts | null>;

  /**
   * Stores the bytes of `source` if they are exactly `lengthBytes` long and hash to `sha256`;
   * otherwise throws `untrusted` and keeps nothing. Durable when it resolves.
   */
  put(
    facts: BlobFacts,
    source: AsyncIterable<Uint8Array>,
    options: { signal: AbortSignal },
  ): Promise<void>;

  /** Bytes [start, end) of a blob; `end` defaults to its length. Throws `not_found`. */
  read(
    sha256: string,
    options: { start?: number; end?: number; signal: AbortSignal },
  ): AsyncIterable<Uint8Array>;

  /** Removes a blob if it is there. */
  remove(sha256: string, options: { signal: AbortSignal }): Promise<void>;

  /** Total size and count, for metrics and `muster doctor`. */
  usage(options: { signal: AbortSignal }): Promise<{ blobCount: number; totalBytes: number }>;
}
