// SPDX-License-Identifier: Apache-2.0
/**
 * How a release says on which devices its health check fails, for demonstrations and tests: an
 * argument `--fails-on=FACT:VALUE` of `healthCheck.run`. A pretend device runs no program and reads
 * the argument; a real device runs the program, which compares it with what the agent tells health
 * checks of the inventory:
 *
 *     healthCheck: { run: [sh, bin/health, --fails-on=hwRevision:rev-b] }
 *
 *     # bin/health
 *     case "$1" in "--fails-on=hwRevision:$MUSTER_INVENTORY_hwRevision") exit 1 ;; esac
 */

const PREFIX = "--fails-on=";

/** Whether the release's health check fails on a device with this inventory. */
export function failsHealthCheck(
  run: readonly string[],
  inventory: { readonly [fact: string]: string },
): boolean {
  return run.some((argument) => {
    if (!argument.startsWith(PREFIX)) return false;
    const rule = argument.slice(PREFIX.length);
    const colon = rule.indexOf(":");
    return colon > 0 && inventory[rule.slice(0, colon)] === rule.slice(colon + 1);
  });
}
