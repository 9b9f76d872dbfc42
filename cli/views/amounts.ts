// SPDX-License-Identifier: Apache-2.0
/** Amounts and counts by state, as a person reads them. */
import type { Amount } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { formatCount } from "../output/units.ts";

/** `50`, `10%`; "" when it is not set. */
export function amountText(amount: Amount | undefined): string {
  switch (amount?.kind.case) {
    case "count":
      return formatCount(amount.kind.value);
    case "percent":
      return `${amount.kind.value}%`;
    default:
      return "";
  }
}

/** "890 succeeded, 12 downloading, 3 failed": the largest first, zeros left out. */
export function stateCounts(byState: { readonly [state: string]: number }): string {
  return Object.entries(byState)
    .filter(([, count]) => count > 0)
    .sort(([leftState, left], [rightState, right]) =>
      left === right ? (leftState < rightState ? -1 : 1) : right - left,
    )
    .map(([state, count]) => `${formatCount(count)} ${state}`)
    .join(", ");
}

/** The sum of the counts of some states. */
export function countIn(
  byState: { readonly [state: string]: number },
  states: readonly string[],
): number {
  return states.reduce((sum, state) => sum + (byState[state] ?? 0), 0);
}
