// SPDX-License-Identifier: Apache-2.0
/** What is printed of an upgrade, and which promises it broke. */
import type { UpgradeOptions, UpgradeResult } from "./run-upgrade.ts";

/** Value and unit by what was measured. */
export type Figures = { readonly [metric: string]: readonly [number, string] };

export function upgradeFigures(result: UpgradeResult): Figures {
  const { reports, offers, absences, plain, violations } = result;
  return {
    "all workers replaced after": [result.replacedMs / 1_000, "s"],
    "every device connected again after": [result.wholeMs / 1_000, "s"],
    "reports acknowledged": [reports.acknowledged, "messages"],
    "acknowledged reports lost": [reports.lost, "messages"],
    "reports stored more than once": [reports.repeated, "messages"],
    "offers and commands pushed": [offers.pushed, "messages"],
    "offers and commands lost": [offers.lost, "messages"],
    "work done twice": [offers.twice, "devices"],
    "invariants of rollouts broken": [violations.length, "violations"],
    "connections closed": [absences.count, "connections"],
    "devices away at once, at most": [absences.mostAtOnce, "devices"],
    "a device away, median": [absences.medianMs / 1_000, "s"],
    "a device away, p99": [absences.p99Ms / 1_000, "s"],
    "a device away, longest": [absences.longestMs / 1_000, "s"],
    "devices not back": [absences.neverBack, "devices"],
    "online in the center at the end": [result.onlineCount, "devices"],
    "plain devices, heartbeats acknowledged": [plain.acknowledged, "messages"],
    "plain devices, heartbeats, p99": [plain.p99Ms, "ms"],
    "plain devices, lines of telemetry": [plain.flooded, "messages"],
    "plain devices, connections closed": [plain.closed, "connections"],
    "plain devices, all back after": [plain.backAllMs / 1_000, "s"],
  };
}

/** One sentence for each promise that was broken, or was not put to the test. */
export function brokenPromises(
  result: UpgradeResult,
  options: Pick<UpgradeOptions, "deviceCount" | "plainCount">,
): readonly string[] {
  const { reports, offers, absences, plain, onlineCount, violations } = result;
  const { deviceCount, plainCount } = options;
  const all = deviceCount + plainCount;
  const promises: readonly [kept: boolean, otherwise: string][] = [
    [reports.lost === 0, `${reports.lost} acknowledged reports are lost`],
    [offers.lost === 0, `${offers.lost} offers or commands are lost`],
    [offers.twice === 0, `${offers.twice} devices did the same work twice`],
    [absences.neverBack === 0, `${absences.neverBack} devices did not come back`],
    [plain.backAllMs >= 0, "not every device of the plain listener came back"],
    [onlineCount === all, `the center has ${onlineCount} of ${all} devices online`],
    // A device that was never away, asked or heard would prove nothing.
    [absences.count >= deviceCount, `only ${absences.count} connections were closed`],
    [offers.pushed >= 3 * deviceCount, `only ${offers.pushed} offers and commands were pushed`],
    [reports.acknowledged >= 3 * offers.pushed, "devices did not report all that they did"],
  ];
  const broken = promises.filter(([isKept]) => !isKept).map(([, otherwise]) => otherwise);
  return [...broken, ...violations];
}
