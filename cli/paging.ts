// SPDX-License-Identifier: Apache-2.0
/** Lists that the API gives page by page, as one stream of items with a limit. */
import { note, type Shell } from "./shell.ts";

/** The most that a page of the API holds. */
const PAGE_SIZE_MAX = 1_000;

export interface Page<Item> {
  readonly items: readonly Item[];
  /** "" = the last page. */
  readonly nextPageToken: string;
}

/**
 * Items up to `limit` (0 = all). Says on standard error when there are more; `which` are those that
 * are listed, default: the first ones.
 */
export async function* listItems<Item>(options: {
  shell: Pick<Shell, "stderr">;
  limit: number;
  which?: "first" | "newest" | "oldest";
  fetch: (request: { pageSize: number; pageToken: string }) => Promise<Page<Item>>;
}): AsyncGenerator<Item> {
  const { shell, limit, which = "first", fetch } = options;
  let pageToken = "";
  let left = limit === 0 ? Number.POSITIVE_INFINITY : limit;
  for (;;) {
    const page = await fetch({ pageSize: Math.min(PAGE_SIZE_MAX, left), pageToken });
    yield* page.items.slice(0, left);
    left -= page.items.length;
    pageToken = page.nextPageToken;
    if (pageToken === "") return;
    if (left > 0) continue;
    note(shell, `The ${which} ${limit} are listed; there are more. --limit 0 lists all.`);
    return;
  }
}
