// SPDX-License-Identifier: Apache-2.0
/**
 * What a receiver may do with the options of a message (RFC 7252 §5.4): one that it does not know,
 * whose length is wrong or that comes twice where it may not is refused when its number is
 * critical, else passed over.
 */
import type { DecodedOption } from "./message.ts";
import { isCritical, OPTION_RULES } from "./options.ts";

export type CheckedOptions =
  | { readonly options: readonly DecodedOption[] }
  /** The number that cannot be passed over. */
  | { readonly badOption: number };

/** `known`: the options that the receiver acts on. */
export function checkOptions(
  options: readonly DecodedOption[],
  known: ReadonlySet<number>,
): CheckedOptions {
  let before = -1;
  let isWhole = true;
  for (const { number, value } of options) {
    const isUsable = known.has(number) && isWellFormed(number, value, number === before);
    if (!isUsable && isCritical(number)) return { badOption: number };
    isWhole &&= isUsable;
    before = number;
  }
  // The usual case makes no second list.
  if (isWhole) return { options };
  before = -1;
  const usable = options.filter(({ number, value }) => {
    const isAgain = number === before;
    before = number;
    return known.has(number) && isWellFormed(number, value, isAgain);
  });
  return { options: usable };
}

function isWellFormed(number: number, value: Buffer, isAgain: boolean): boolean {
  const rule = OPTION_RULES.get(number);
  if (rule === undefined || (isAgain && !rule.isRepeatable)) return false;
  return value.length >= rule.minBytes && value.length <= rule.maxBytes;
}
