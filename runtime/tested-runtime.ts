// SPDX-License-Identifier: Apache-2.0
/**
 * Whether Node's insides may be used: fields that it does not document, and that may change with
 * any version. Only on the versions on which the tests of who uses them passed, which are those
 * that Muster pins; on all others the documented, slower way is taken (docs/adr/0024).
 */

/** direct-transport.test.ts and held-connections.test.ts passed on them. */
const TESTED_RUNTIMES: readonly string[] = ["26.10.0"];

export function isTestedRuntime(): boolean {
  return TESTED_RUNTIMES.includes(process.versions.node);
}
