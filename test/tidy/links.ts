// SPDX-License-Identifier: Apache-2.0
//
// A link in a page leads somewhere: to a file of the tree, and where it names a heading, to that.

import { posix } from "node:path";
import { lineOf, type Finding, type Rule, type Tree } from "./tree.ts";

/** `[text](target)`, `[text](target "title")`, and `[name]: target` at the start of a line. */
const link = /\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)|^ {0,3}\[[^\]]+\]:\s*<?([^\s>]+)/gm;

/** Relative links in Markdown resolve, with their heading. */
export const checkLinks: Rule = (tree) => {
  const findings: Finding[] = [];
  for (const [path, text] of tree.files) {
    if (!path.endsWith(".md")) continue;
    const prose = blankCode(text);
    for (const match of prose.matchAll(link)) {
      const target = match[1] ?? match[2] ?? "";
      if (/^[a-z][a-z+.-]*:/i.test(target)) continue;
      const message = judge(tree, path, target);
      if (message !== undefined) findings.push({ path, line: lineOf(text, match.index), message });
    }
  }
  return findings;
};

function judge(tree: Tree, from: string, target: string): string | undefined {
  if (target.startsWith("/")) {
    return `The link "${target}" starts at a root that a reader may not have. Make it relative.`;
  }
  const [file = "", heading] = decodeURI(target).split("#");
  const path = file === "" ? from : posix.normalize(posix.join(posix.dirname(from), file));
  const found = path.replace(/\/$/, "");
  if (found !== "." && !tree.paths.has(found)) {
    return `The link "${target}" leads nowhere. Correct it, or write the page.`;
  }
  const page = tree.files.get(path);
  if (heading === undefined || page === undefined || !path.endsWith(".md")) return undefined;
  if (headingsOf(page).has(heading)) return undefined;
  return `${path} has no heading "#${heading}". Correct the link.`;
}

/** The fragments of a page's headings, as the usual renderers make them. */
function headingsOf(page: string): Set<string> {
  const fragments = new Set<string>();
  for (const [, title = ""] of blankCode(page, false).matchAll(/^ {0,3}#{1,6}\s+(.+?)\s*#*$/gm)) {
    const base = title
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replace(/\s/g, "-");
    let fragment = base;
    for (let count = 1; fragments.has(fragment); count += 1) fragment = `${base}-${count}`;
    fragments.add(fragment);
  }
  return fragments;
}

/** The page with fenced blocks, and unless told otherwise code spans, blanked. */
function blankCode(text: string, spans = true): string {
  const blank = (part: string): string => part.replace(/[^\n]/g, " ");
  const page = text.replace(/^ *(```+|~~~+)[^\n]*\n[\s\S]*?^ *\1/gm, blank);
  return spans ? page.replace(/`[^`\n]*`/g, blank) : page;
}
