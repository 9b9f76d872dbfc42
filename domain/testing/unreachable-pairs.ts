// SPDX-License-Identifier: Apache-2.0
/** Which pairs of the coverage tables nothing can bring about, and why. */

export type TableName = "attempt" | "rollout";

interface Reason {
  readonly table: TableName;
  readonly states: readonly string[];
  readonly happenings: readonly string[];
  readonly why: string;
}

const REASONS: readonly Reason[] = [];

/** null: it can happen. */
export function whyUnreachable(table: TableName, state: string, what: string): string | null {
  const reason = REASONS.find(
    (one) => one.table === table && one.states.includes(state) && one.happenings.includes(what),
  );
  return reason?.why ?? null;
}
