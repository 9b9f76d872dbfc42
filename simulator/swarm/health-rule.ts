// SPDX-License-Identifier: Apache-2.0
/**
 * How a release says on which devices its health check fails, for demonstrations and tests: an
 * argument `--fails-on=FACT:VALUE` of `healthCheck.run`. A pretend device runs no program and reads
 * the argument; a real device runs the program, which compares it with what the agent tells health
 * checks of the inventory (`MUSTER_INVENTORY_hwRevision=rev-b`):
 *
 *     healthCheck: { run: [sh, bin/health, --fails-on=hwRevision:rev-b] }
 *
 * The two agree: a test runs `HEALTH_RULE_SCRIPT` against the same table as `failsHealthCheck`.
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

/** The environment variable in which a health check finds a fact of the inventory. */
export function inventoryVariable(fact: string): string {
  return `MUSTER_INVENTORY_${fact.replaceAll(/[^A-Za-z0-9_]/g, "_")}`;
}

/** A health check that a real device can run and that keeps the rule. */
export const HEALTH_RULE_SCRIPT = `#!/bin/sh
# Fails on devices that an argument --fails-on=FACT:VALUE names.
set -eu
for argument in "$@"; do
  case "$argument" in
    --fails-on=?*:*) rule="\${argument#--fails-on=}" ;;
    *) continue ;;
  esac
  fact="\${rule%%:*}"
  name="MUSTER_INVENTORY_$(printf %s "$fact" | tr -c 'A-Za-z0-9_' _)"
  if eval "test -n \\"\\\${$name+set}\\" && test \\"\\\${$name}\\" = \\"\\\${rule#*:}\\""; then
    echo "this release does not run on $fact \${rule#*:}" >&2
    exit 1
  fi
done
`;
