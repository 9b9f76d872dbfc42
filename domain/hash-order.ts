// SPDX-License-Identifier: Apache-2.0
/**
 * The order of a plan by hash: sorted digit by digit, which takes a million devices some tens of
 * milliseconds, where a comparison of each with each other takes two seconds of everybody's time.
 */

/** Of a place (an integer below 2^53), seven digits of 8 bits, the lowest first. */
const LOW_DIGITS = 4;
const DIGITS = 7;
const DIGIT_VALUES = 256;
const LOW_VALUES: number = 2 ** 32;

/**
 * Indexes by position: those with `last` 1 behind the others, by place, then by index.
 * `place`, `last`: of an index below `count`.
 */
export function orderByPlace(
  count: number,
  place: (index: number) => number,
  last: (index: number) => number,
): Uint32Array {
  const low = new Uint32Array(count);
  const high = new Uint32Array(count);
  let order = new Uint32Array(count);
  for (let index = 0; index < count; index++) {
    low[index] = place(index) % LOW_VALUES;
    high[index] = place(index) / LOW_VALUES;
    order[index] = index;
  }
  let spare = new Uint32Array(count);
  const sortBy = (digit: (index: number) => number): void => {
    sortStably(order, spare, digit);
    [order, spare] = [spare, order];
  };
  for (let digit = 0; digit < DIGITS; digit++) {
    const column = digit < LOW_DIGITS ? low : high;
    const shift = (digit % LOW_DIGITS) * 8;
    sortBy((index) => ((column[index] ?? 0) >>> shift) % DIGIT_VALUES);
  }
  sortBy(last);
  return order;
}

/** Writes `order` into `into`, by the digit of each; of one digit in the order that they have. */
function sortStably(order: Uint32Array, into: Uint32Array, digit: (index: number) => number): void {
  const starts = new Uint32Array(DIGIT_VALUES + 1);
  for (const index of order) {
    const next = digit(index) + 1;
    starts[next] = (starts[next] ?? 0) + 1;
  }
  for (let value = 1; value <= DIGIT_VALUES; value++) {
    starts[value] = (starts[value] ?? 0) + (starts[value - 1] ?? 0);
  }
  for (const index of order) {
    const value = digit(index);
    const position = starts[value] ?? 0;
    into[position] = index;
    starts[value] = position + 1;
  }
}
