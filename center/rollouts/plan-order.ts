// SPDX-License-Identifier: Apache-2.0
/** What a new plan goes after: checked, and how many of its devices wait for whom as of now. */
import { MusterError } from "../../domain/errors.ts";
import { findCycle, keepingOf } from "../../domain/rollout-order.ts";
import type { Store } from "../../ports/store.ts";
import type { ReleaseIndex } from "../releases/release-index.ts";
import type { OpenRollout } from "./open-rollout.ts";
import { keeperOf, predecessorOf, readClosed, type Predecessor } from "./predecessors.ts";
import { lossOf } from "./pruned-attempts.ts";
import { readRollout, rolloutKey, type RolloutRecord } from "./rollout-record.ts";

export interface PlanOrderOptions {
  readonly store: Store;
  readonly releases: ReleaseIndex;
  readonly openRollouts: () => Iterable<OpenRollout>;
}

/**
 * Throws `failed_precondition`: a name that is none, one of the same slot, a circle, one whose
 * attempts were deleted.
 */
export async function readPredecessors(
  options: PlanOrderOptions,
  record: RolloutRecord,
  slot: string,
  signal: AbortSignal,
): Promise<Predecessor[]> {
  const reached = new Map<string, RolloutRecord>();
  const pending = [...record.spec.after];
  for (let name = pending.pop(); name !== undefined; name = pending.pop()) {
    if (name === record.name || reached.has(name)) continue;
    const key = rolloutKey(record.tenant, name);
    const document = await options.store.getDocument("rollout", key, { signal });
    if (document === null) continue;
    const found = readRollout(document);
    reached.set(name, found);
    pending.push(...found.spec.after);
  }
  const afterOf = (name: string): readonly string[] =>
    name === record.name ? record.spec.after : (reached.get(name)?.spec.after ?? []);
  const cycle = findCycle(record.name, afterOf);
  if (cycle !== null) {
    const circle = cycle.join(" after ");
    const hint = "take one of these names out of `after`";
    throw refusal(record, "spec.after", `it would wait for itself: ${circle}`, hint);
  }
  const predecessors: Predecessor[] = [];
  for (const [index, name] of record.spec.after.entries()) {
    const field = `spec.after[${index}]`;
    const first = reached.get(name);
    if (first === undefined) {
      const hint = "apply that one first, or see what there is: muster get rollouts";
      throw refusal(record, field, `there is no rollout ${name}`, hint);
    }
    if (first.pruned !== null && keepingOf(first.progress) !== "nobody") {
      const hint = "roll its release out again, and name that rollout";
      throw refusal(record, field, `of rollout ${name}, ${lossOf(first.pruned)}`, hint);
    }
    if (slotOf(options.releases, first) === slot) {
      const hint = "of one slot the higher `priority` goes first";
      throw refusal(record, field, `rollout ${name} is of the same slot, ${slot}`, hint);
    }
    const open = [...options.openRollouts()].find((other) => other.record.number === first.number);
    predecessors.push(
      open === undefined ? await readClosed(options.store, first, signal) : predecessorOf(open),
    );
  }
  return predecessors;
}

/** Each device waits for the first that keeps it. */
export function countKept(
  first: readonly Predecessor[],
  ordinals: Iterable<number>,
): { rollout: string; deviceCount: number }[] {
  const counts = new Map(first.map(({ name }) => [name, 0]));
  for (const ordinal of first.length === 0 ? [] : ordinals) {
    const name = keeperOf(first, ordinal);
    if (name !== null) counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return Array.from(counts, ([rollout, deviceCount]) => ({ rollout, deviceCount }));
}

/** "" while its release is not published. */
function slotOf(releases: ReleaseIndex, { tenant, spec }: RolloutRecord): string {
  if (spec.command !== null) return "command";
  const at = spec.release.lastIndexOf("@");
  return releases.get(tenant, spec.release.slice(0, at), spec.release.slice(at + 1))?.slot ?? "";
}

function refusal(record: RolloutRecord, field: string, problem: string, hint: string): MusterError {
  const message = `cannot plan rollout ${record.name}: ${problem}`;
  return new MusterError({ code: "failed_precondition", message, detail: { field, hint } });
}
