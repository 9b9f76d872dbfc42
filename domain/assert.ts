// SPDX-License-Identifier: Apache-2.0
/**
 * Assertions of the domain. They stay on in production: a broken invariant stops the process
 * rather than letting it continue with a lie. (The domain imports nothing, so not node:assert.)
 */

/** Throws when an invariant of the code is broken; the message is a sentence for the developer. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** For the default branch of an exhaustive switch. */
export function unreachable(value: never): never {
  throw new Error(`assertion failed: unexpected ${String(value)}`);
}
