// SPDX-License-Identifier: Apache-2.0
/**
 * Memory of pages that the Store writes again and again: the thread that stores them reads them
 * where they are (`ports/store.ts`), so that a commit costs no copy and leaves no garbage.
 */

/** Zeros. */
export function sharedBytes(length: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(length));
}

/** A copy in memory of its own. */
export function sharedCopy(bytes: Uint8Array): Uint8Array {
  const copy = sharedBytes(bytes.length);
  copy.set(bytes);
  return copy;
}

/** Whether another thread may read these bytes where they are. */
export function isShared({ buffer }: Uint8Array): boolean {
  return buffer instanceof SharedArrayBuffer;
}
