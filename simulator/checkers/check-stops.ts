// SPDX-License-Identifier: Apache-2.0
/**
 * After offers are withheld (a stop or a pause) no device accepts longer than an offer that had
 * left may be accepted; and none accepts what it has taken the withdrawal of.
 */
import { nameOf, timeOf } from "./device-attempts.ts";
import type { Checker, History, RolloutHistory, Violation } from "./history.ts";

export const checkStops: Checker = (history) => [
  ...history.rollouts.flatMap((rollout) =>
    withheldSpans(history, rollout).flatMap((span) => lateAccepts(history, rollout, span)),
  ),
  ...acceptsAfterWithdrawal(history),
];

function acceptsAfterWithdrawal({ journal }: History): Violation[] {
  const withdrawnAtMs = new Map<string, number>();
  const violations: Violation[] = [];
  for (const entry of journal) {
    if (entry.op !== "withdrawn" && entry.op !== "accept") continue;
    const key = `${entry.device} ${entry.rollout} ${entry.generation}`;
    const atMs = withdrawnAtMs.get(key);
    if (entry.op === "withdrawn") withdrawnAtMs.set(key, entry.at);
    else if (atMs !== undefined) {
      const story =
        `${entry.device} accepted generation ${entry.generation} at ${timeOf(entry.at)}; ` +
        `it had taken its withdrawal at ${timeOf(atMs)}`;
      violations.push({ invariant: "stops", story });
    }
  }
  return violations;
}

interface Span {
  readonly fromMs: number;
  /** Infinity: it was never resumed. */
  readonly untilMs: number;
}

function withheldSpans(history: History, rollout: RolloutHistory): Span[] {
  const subject = `rollout/${rollout.tenant}/${rollout.name}`;
  const spans: Span[] = [];
  let fromMs: number | null = null;
  for (const entry of history.audit) {
    if (entry.subject !== subject) continue;
    if (entry.action === "rollout.withhold-offers") fromMs ??= entry.atMs;
    if (entry.action !== "rollout.resume" || fromMs === null) continue;
    spans.push({ fromMs, untilMs: entry.atMs });
    fromMs = null;
  }
  if (fromMs !== null) spans.push({ fromMs, untilMs: Infinity });
  return spans;
}

function lateAccepts(history: History, rollout: RolloutHistory, span: Span): Violation[] {
  const lastMs = span.fromMs + history.offerLifetimeMs;
  const violations: Violation[] = [];
  for (const entry of history.journal) {
    if (entry.op !== "accept" || entry.rollout !== rollout.number) continue;
    if (entry.at <= lastMs || entry.at >= span.untilMs) continue;
    const story =
      `${entry.device} accepted ${nameOf(rollout)} at ${timeOf(entry.at)}; offers were withheld ` +
      `at ${timeOf(span.fromMs)} and could be accepted until ${timeOf(lastMs)}`;
    violations.push({ invariant: "stops", story });
  }
  return violations;
}
