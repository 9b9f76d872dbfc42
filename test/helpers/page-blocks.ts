// SPDX-License-Identifier: Apache-2.0
/** The fenced blocks of a page, so that a test runs what the page says and nothing else. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

/**
 * The contents of the blocks whose first line is "```" + `mark` ("sh device.sh"), in their order.
 * Fails when there is none. `page` is relative to the repository.
 */
export async function pageBlocks(page: string, mark: string): Promise<readonly string[]> {
  const text = await readFile(new URL(`../../${page}`, import.meta.url), "utf8");
  const fenced = /^```([^\n]*)\n([\s\S]*?)^```$/gm;
  const blocks = [...text.matchAll(fenced)].filter(([, info]) => info?.trim() === mark);
  assert.ok(blocks.length > 0, `${page} has no block marked "${mark}"`);
  return blocks.map(([, , content = ""]) => content);
}
