// SPDX-License-Identifier: Apache-2.0
/** What one try to go on with a download came to. */
import type { DownloadFailure } from "./downloader.ts";

export interface Incomplete {
  readonly kind: "incomplete";
  readonly reason: DownloadFailure;
  readonly why: string;
  /** The gateway is about to have it: ask the same one again. */
  readonly isBusy: boolean;
  /** Chunks do not lead there; the whole blob may. */
  readonly isForWhole: boolean;
  readonly retryAfterMs: number | null;
}
export type TryResult = { readonly kind: "complete" } | Incomplete;

export function incomplete(reason: DownloadFailure, why: string): Incomplete {
  return { kind: "incomplete", reason, why, isBusy: false, isForWhole: false, retryAfterMs: null };
}

export function busy(retryAfterMs: number | null): Incomplete {
  const answer = incomplete("download-failed", "the gateway is busy");
  return { ...answer, isBusy: true, retryAfterMs };
}
