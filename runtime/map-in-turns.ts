// SPDX-License-Identifier: Apache-2.0
/**
 * Work on many items, a bounded number of them at once: whoever serves it has other callers too.
 */

/**
 * A port serves about a thousand calls at once and refuses more: sixteen batches of a thousand
 * items each may be under way beside each other.
 */
export const ITEMS_AT_ONCE = 64;

/** The results in the order of the items; the first failure is thrown and nothing more begins. */
export async function mapInTurns<Item, Result>(
  items: readonly Item[],
  work: (item: Item, index: number) => Promise<Result>,
): Promise<Result[]> {
  const results: Result[] = [];
  let next = 0;
  let failed = false;
  const run = async (): Promise<void> => {
    while (next < items.length && !failed) {
      const index = next++;
      try {
        results[index] = await work(items[index] as Item, index);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(ITEMS_AT_ONCE, items.length) }, run));
  return results;
}
