// SPDX-License-Identifier: Apache-2.0
/** Fetching blobs by digest, as a port: over HTTPS in production, from a table in simulation. */

export type DownloadFailure = "download-failed" | "digest-mismatch" | "no-space";

export type DownloadResult =
  /** Complete, verified and durable at the place that the layout names. */
  | { readonly kind: "done" }
  | { readonly kind: "failed"; readonly reason: DownloadFailure; readonly detail: string };

export interface DownloadRequest {
  /** Lower-case hex. */
  readonly sha256: string;
  readonly lengthBytes: number;
  /** The blob that names its chunks; absent = it is fetched whole. */
  readonly chunkIndex?: { readonly sha256: string; readonly lengthBytes: number } | undefined;
  /** For whose caps of the bandwidth this counts; absent = nobody's. */
  readonly rollout?: number | undefined;
  /** No faster than this; absent = as fast as it comes. */
  readonly bytesPerSecond?: number | undefined;
  readonly signal: AbortSignal;
}

export interface Downloader {
  /**
   * Fetches what is missing; a part left by an earlier try is continued. Requests for the same
   * digest share one download. Throws the signal's reason when it aborts.
   */
  download(request: DownloadRequest): Promise<DownloadResult>;
  /** The digest that is being fetched now; its files are not to be touched. */
  activeDigest(): string | null;
}
