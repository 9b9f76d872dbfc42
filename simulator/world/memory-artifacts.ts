// SPDX-License-Identifier: Apache-2.0
/**
 * The center's blobs in memory: what was published before time began. Nothing is put in later, for
 * nothing is published then.
 */
import { MusterError } from "../../domain/errors.ts";
import type { ArtifactStore } from "../../ports/artifact-store.ts";

export function memoryArtifacts(blobs: ReadonlyMap<string, Uint8Array>): ArtifactStore {
  const refuse = (): Promise<void> => {
    const message = "the blobs of a simulated center do not change";
    return Promise.reject(new MusterError({ code: "failed_precondition", message }));
  };
  return {
    stat: async (sha256) => {
      const blob = blobs.get(sha256);
      return blob === undefined ? null : { sha256, lengthBytes: blob.length };
    },
    read: async function* (sha256, { start = 0, end }) {
      const blob = blobs.get(sha256);
      if (blob !== undefined) yield blob.subarray(start, end);
      else throw new MusterError({ code: "not_found", message: `there is no blob ${sha256}` });
    },
    put: refuse,
    remove: refuse,
    usage: async () => ({
      blobCount: blobs.size,
      totalBytes: [...blobs.values()].reduce((sum, { length }) => sum + length, 0),
    }),
  };
}
