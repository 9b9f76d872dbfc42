// SPDX-License-Identifier: Apache-2.0
/** What a command printed as parts, each of which fits a report. */
import { MAX_OUTPUT_LIMIT_BYTES } from "../../domain/subject.ts";

/** JSON may write a character in six bytes: of so many a report of 8 KiB has room for 1,200. */
const PART_CHARACTERS = 1_200;
/** A character has at least a byte; one part for the sentence on what is left out. */
export const MAX_OUTPUT_PARTS: number = Math.ceil(MAX_OUTPUT_LIMIT_BYTES / PART_CHARACTERS) + 2;

/** At least one, the last of which may be empty; no pair of surrogates is torn apart. */
export function outputParts(text: string): string[] {
  const parts: string[] = [];
  for (let start = 0; start < text.length;) {
    let end = Math.min(text.length, start + PART_CHARACTERS);
    const isTorn = end < text.length && isHighSurrogate(text.charCodeAt(end - 1));
    if (isTorn) end -= 1;
    parts.push(text.slice(start, end));
    start = end;
  }
  return parts.length === 0 ? [""] : parts;
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd8_00 && code <= 0xdb_ff;
}
