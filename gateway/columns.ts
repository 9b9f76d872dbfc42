// SPDX-License-Identifier: Apache-2.0
/** Growth of the typed columns that hold what the gateway knows of its connections. */

/** `to`, which is longer, with the content of `from` at its start. */
export function grown<Same extends { set(from: Same): void }>(from: Same, to: Same): Same {
  to.set(from);
  return to;
}
