// SPDX-License-Identifier: Apache-2.0
import type { Files } from "../files/files.ts";

/** The bytes of a range; null when the file ends before it, or cannot be read. */
export async function readRange(
  files: Files,
  range: { readonly path: string; readonly start: number; readonly lengthBytes: number },
): Promise<Uint8Array | null> {
  const { path, start, lengthBytes } = range;
  const bytes = new Uint8Array(lengthBytes);
  let filledBytes = 0;
  for await (const piece of files.readChunks(path, start)) {
    const wanted = piece.subarray(0, lengthBytes - filledBytes);
    bytes.set(wanted, filledBytes);
    filledBytes += wanted.byteLength;
    if (filledBytes === lengthBytes) return bytes;
  }
  return null;
}
