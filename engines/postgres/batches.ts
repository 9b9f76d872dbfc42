// SPDX-License-Identifier: Apache-2.0
/** Cuts what one commit writes into what one statement takes. */

/**
 * Content of a batch: a statement's parameters lie in memory three times on their way (here, in the
 * driver, in the server), and a commit may be 2,000 writes of 1 MiB.
 */
const MAX_BATCH_BYTES = 8 * 2 ** 20;

/** In order; no batch holds two items of one name, and only a single item may be over the limit. */
export function* batchesOf<T>(
  items: readonly T[],
  facts: { nameOf: (item: T) => string; lengthOf: (item: T) => number },
): Generator<readonly T[]> {
  let batch: T[] = [];
  let names = new Set<string>();
  let batchBytes = 0;
  for (const item of items) {
    const name = facts.nameOf(item);
    const length = facts.lengthOf(item);
    if (batch.length > 0 && (names.has(name) || batchBytes + length > MAX_BATCH_BYTES)) {
      yield batch;
      batch = [];
      names = new Set();
      batchBytes = 0;
    }
    batch.push(item);
    names.add(name);
    batchBytes += length;
  }
  if (batch.length > 0) yield batch;
}
