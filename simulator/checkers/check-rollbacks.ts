// SPDX-License-Identifier: Apache-2.0
/** A rollback puts each device back on what that device itself ran before. */
import { digestName } from "./check-evidence.ts";
import { nameOf } from "./device-attempts.ts";
import type { Checker, History, RolloutHistory, Violation } from "./history.ts";

export const checkRollbacks: Checker = (history) =>
  history.rollouts
    .filter(({ child }) => child !== "")
    .flatMap((rollout) => judge(history, rollout));

/** What a device ran before its first attempt, and what it runs after the last one. */
interface Way {
  readonly before: string;
  after: string;
}

function judge(history: History, rollout: RolloutHistory): Violation[] {
  const child = history.rollouts.find(
    ({ tenant, name }) => tenant === rollout.tenant && name === rollout.child,
  );
  const violations: Violation[] = [];
  for (const [device, { before, after }] of waysOf(history, rollout, child ?? null)) {
    if (before === after || !isBack(rollout, child ?? null, device)) continue;
    const story =
      `${device} ran ${digestName(before)} before ${nameOf(rollout)} and was put on ` +
      `${digestName(after)} by its rollback`;
    violations.push({ invariant: "rollbacks", story });
  }
  return violations;
}

/** Does the center say that the device is back? */
function isBack(rollout: RolloutHistory, child: RolloutHistory | null, device: string): boolean {
  if (rollout.state === "rolled-back") return true;
  const attempt = child?.attempts.find((candidate) => candidate.device === device);
  return attempt?.state === "succeeded";
}

function waysOf(
  history: History,
  rollout: RolloutHistory,
  child: RolloutHistory | null,
): ReadonlyMap<string, Way> {
  const runs = new Map<string, string>();
  const ways = new Map<string, Way>();
  for (const entry of history.journal) {
    if (entry.op === "connect" || entry.op === "disconnect") continue;
    if (entry.op === "report" || entry.op === "ack" || entry.op === "withdrawn") continue;
    const isOwn = entry.rollout === rollout.number || entry.rollout === child?.number;
    const key = `${entry.device} ${entry.slot}`;
    if (entry.op !== "accept") runs.set(key, entry.digest);
    if (!isOwn) continue;
    const now = runs.get(key) ?? "";
    const way = ways.get(entry.device);
    if (way !== undefined) way.after = now;
    else if (entry.op === "accept") ways.set(entry.device, { before: now, after: now });
  }
  return ways;
}
