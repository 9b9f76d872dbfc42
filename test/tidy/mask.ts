// SPDX-License-Identifier: Apache-2.0
//
// Blanks what is not code: comments, the inside of strings, templates and regular expressions.
// The result has the length and the line breaks of the text, and keeps the quotes, so an offset
// means the same in both. Rules that search this instead of the text do not trip over prose, and
// a test may hold a violation in a string.
//
// A scanner and not a parser: whether a slash divides or starts a regular expression is told from
// what stands before it, which is right for formatted TypeScript (`if (x) /re/.test(y)` is not).

/** What may stand before a slash that starts a regular expression. */
const beforeRegExp =
  /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|void|await|yield))\s*$/;

/** Where in the text the scanner is, and what it has written so far. */
interface Scan {
  text: string;
  index: number;
  output: string;
}

/** The text with everything but code blanked. */
export function maskSource(text: string): string {
  const scan: Scan = { text, index: 0, output: "" };
  scanCode(scan, false);
  return scan.output;
}

/** Copies code up to the end, or up to the brace that closes a template's `${`. */
function scanCode(scan: Scan, insideTemplate: boolean): void {
  let depth = 0;
  while (scan.index < scan.text.length) {
    const char = scan.text[scan.index] as string;
    if (char === "{") depth += 1;
    if (char === "}") {
      if (insideTemplate && depth === 0) return;
      depth -= 1;
    }
    if (scan.text.startsWith("//", scan.index)) blankTo(scan, endOfLine(scan));
    else if (scan.text.startsWith("/*", scan.index)) blankTo(scan, endOfBlockComment(scan));
    else if (char === '"' || char === "'") scanQuoted(scan, char);
    else if (char === "`") scanTemplate(scan);
    else if (char === "/" && beforeRegExp.test(scan.output.slice(-20))) scanRegExp(scan);
    else copy(scan);
  }
}

function scanQuoted(scan: Scan, quote: string): void {
  copy(scan);
  while (scan.index < scan.text.length) {
    const char = scan.text[scan.index];
    if (char === quote || char === "\n") break;
    blankTo(scan, scan.index + (char === "\\" ? 2 : 1));
  }
  copy(scan);
}

function scanTemplate(scan: Scan): void {
  copy(scan);
  while (scan.index < scan.text.length && scan.text[scan.index] !== "`") {
    if (!scan.text.startsWith("${", scan.index)) {
      blankTo(scan, scan.index + (scan.text[scan.index] === "\\" ? 2 : 1));
      continue;
    }
    copy(scan);
    copy(scan);
    scanCode(scan, true);
    copy(scan);
  }
  copy(scan);
}

function scanRegExp(scan: Scan): void {
  copy(scan);
  let inClass = false;
  while (scan.index < scan.text.length) {
    const char = scan.text[scan.index];
    if (char === "\n" || (char === "/" && !inClass)) break;
    if (char === "[") inClass = true;
    if (char === "]") inClass = false;
    blankTo(scan, scan.index + (char === "\\" ? 2 : 1));
  }
  copy(scan);
}

function copy(scan: Scan): void {
  scan.output += scan.text[scan.index] ?? "";
  scan.index += 1;
}

function blankTo(scan: Scan, end: number): void {
  const stop = Math.min(end, scan.text.length);
  scan.output += scan.text.slice(scan.index, stop).replace(/[^\n]/g, " ");
  scan.index = stop;
}

function endOfLine(scan: Scan): number {
  const end = scan.text.indexOf("\n", scan.index);
  return end === -1 ? scan.text.length : end;
}

function endOfBlockComment(scan: Scan): number {
  const end = scan.text.indexOf("*/", scan.index + 2);
  return end === -1 ? scan.text.length : end + 2;
}
