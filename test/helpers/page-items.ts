// SPDX-License-Identifier: Apache-2.0
/** What tests take out of a page: its fenced blocks and its comments, in order. */

/** A fenced block, or a comment that has a line of its own. */
export type PageItem =
  | { readonly kind: "block"; readonly language: string; readonly text: string; line: number }
  | { readonly kind: "comment"; readonly text: string; readonly line: number };

/** `line` is that of the fence or the comment, from 1. A block's text ends with a line break. */
export function pageItems(page: string): PageItem[] {
  const items: PageItem[] = [];
  let block: { language: string; lines: string[]; line: number } | null = null;
  page.split("\n").forEach((content, index) => {
    const fence = /^```(\S*)/.exec(content);
    if (block !== null) {
      if (fence === null) block.lines.push(content);
      else {
        const { language, lines, line } = block;
        items.push({ kind: "block", language, text: `${lines.join("\n")}\n`, line });
        block = null;
      }
      return;
    }
    if (fence !== null) block = { language: fence[1] ?? "", lines: [], line: index + 1 };
    const comment = /^<!-- (.*) -->$/.exec(content);
    if (comment !== null) {
      items.push({ kind: "comment", text: comment[1] ?? "", line: index + 1 });
    }
  });
  return items;
}
