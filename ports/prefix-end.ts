// SPDX-License-Identifier: Apache-2.0
/** The end of a range of keys with one prefix, so that an engine reads that range and no more. */

const LAST_CODE_POINT = 0x10_ff_ff;
const LAST_BEFORE_SURROGATES = 0xd7_ff;
const FIRST_AFTER_SURROGATES = 0xe0_00;

/** The first text, in order of code points, after all with this prefix; null: there is none. */
export function prefixEnd(prefix: string): string | null {
  const points = Array.from(prefix, (character) => character.codePointAt(0) ?? 0);
  for (;;) {
    const last = points.pop();
    if (last === undefined) return null;
    if (last === LAST_CODE_POINT) continue;
    const next = last === LAST_BEFORE_SURROGATES ? FIRST_AFTER_SURROGATES : last + 1;
    return String.fromCodePoint(...points, next);
  }
}
