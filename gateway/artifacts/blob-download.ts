// SPDX-License-Identifier: Apache-2.0
/**
 * One blob from the center into a file: written as it comes, hashed on the way, resumed where it
 * broke off, flushed, and refused unless its digest is the one asked for.
 */
import { createHash } from "node:crypto";
import { open, type FileHandle } from "node:fs/promises";
import { Code, ConnectError } from "@connectrpc/connect";
import { MusterError } from "../../domain/errors.ts";

/** Tries in a row that may bring nothing; each that brings bytes counts anew. */
const FRUITLESS_TRIES_MAX = 3;

/** Messages of FetchArtifact: the total is in the first of each stream. */
export type BlobChunks = AsyncIterable<{ readonly totalBytes: bigint; readonly data: Uint8Array }>;

export interface BlobDownloadOptions {
  readonly file: string;
  readonly sha256: string;
  readonly maxBytes: number;
  readonly open: (startOffset: number) => BlobChunks;
}

/**
 * Resolves with the blob's length. Throws `not_found`, `untrusted`, `too_large`, `unavailable`, or
 * the file system's own error.
 */
export async function downloadBlob(options: BlobDownloadOptions): Promise<number> {
  await using file = await open(options.file, "w", 0o600);
  const hash = createHash("sha256");
  const download: Download = { options, file, hash, receivedBytes: 0, totalBytes: null };
  for (let fruitless = 0; !isComplete(download);) {
    const before = download.receivedBytes;
    const failure = await receive(download);
    if (isComplete(download)) break;
    fruitless = download.receivedBytes > before ? 0 : fruitless + 1;
    if (fruitless === FRUITLESS_TRIES_MAX) throw unavailable(failure);
  }
  await file.sync();
  if (hash.digest("hex") !== options.sha256) {
    throw new MusterError({
      code: "untrusted",
      message: `the center's bytes do not have the digest ${options.sha256}`,
      detail: { hint: "check the center's artifact store: the blob there may be damaged" },
    });
  }
  return download.receivedBytes;
}

interface Download {
  readonly options: BlobDownloadOptions;
  readonly file: FileHandle;
  readonly hash: ReturnType<typeof createHash>;
  receivedBytes: number;
  totalBytes: number | null;
}

function isComplete(download: Download): boolean {
  return download.totalBytes !== null && download.receivedBytes >= download.totalBytes;
}

/** Receives until the stream ends; returns what ended it early. */
async function receive(download: Download): Promise<unknown> {
  const { options, file, hash } = download;
  try {
    for await (const { totalBytes, data } of options.open(download.receivedBytes)) {
      download.totalBytes ??= checkedTotal(Number(totalBytes), options.maxBytes);
      if (download.receivedBytes + data.length > download.totalBytes) {
        const message = "the center sent more bytes of a blob than it has";
        throw new MusterError({ code: "untrusted", message });
      }
      await file.write(data);
      hash.update(data);
      download.receivedBytes += data.length;
    }
    return null;
  } catch (cause) {
    if (!(cause instanceof ConnectError)) throw cause;
    if (cause.code !== Code.NotFound) return cause;
    const message = `there is no artifact with the digest ${options.sha256}`;
    throw new MusterError({ code: "not_found", message, cause });
  }
}

function checkedTotal(totalBytes: number, maxBytes: number): number {
  if (totalBytes <= maxBytes) return totalBytes;
  throw new MusterError({
    code: "too_large",
    message: `an artifact of ${totalBytes} bytes is larger than the gateway's cache`,
    detail: { hint: `allow the cache more than ${maxBytes} bytes` },
  });
}

function unavailable(cause: unknown): MusterError {
  const message = "the center does not deliver the artifact";
  return new MusterError({ code: "unavailable", message, cause });
}
