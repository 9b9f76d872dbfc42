// SPDX-License-Identifier: Apache-2.0
/**
 * Does a program print what a page shows? The page has a real output, so digests, times, sizes and
 * the width of columns differ; `…` in it stands for anything, on a line of its own for any lines.
 */

/** Digests, points in time and sizes: their form is compared, not their value. */
const VARIABLE: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/\b[0-9a-f]{64}\b|\b[0-9a-f]{12}\b/g, "DIGEST"],
  [/\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d+)?Z/g, "TIME"],
  [/\b\d+(?:\.\d+)? (?:B|kB|KiB)(?!\w)/g, "SIZE"],
  [/ {2,}/g, " "],
  [/ +$/gm, ""],
];

/** Whether `actual` is what `shown` promises, as a whole. */
export function printsAsShown(shown: string, actual: string): boolean {
  const pattern = normalize(shown)
    .split("\n")
    .map((line) => (line === "…" ? "(?:.*\n)*?" : `${inline(line)}\n`))
    .join("");
  return new RegExp(`^${pattern}$`).test(`${normalize(actual)}\n`);
}

function normalize(text: string): string {
  return VARIABLE.reduce(
    (result, [pattern, name]) => result.replace(pattern, name),
    text.replaceAll("\r", "").replace(/\n+$/, ""),
  );
}

function inline(line: string): string {
  return line.split("…").map(escapeRegExp).join(".*");
}

function escapeRegExp(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`);
}
