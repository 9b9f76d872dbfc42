// SPDX-License-Identifier: Apache-2.0
/**
 * Four eyes: a plan that needs approval is approved by another operator than the one who had it
 * made. The approval is of one plan, by its digest; a plan never changes, so neither can what was
 * approved.
 */
import { MusterError } from "../../domain/errors.ts";
import type { RolloutEvent } from "../../domain/rollout-engine.ts";
import type { CommandItem } from "./loop-inbox.ts";
import type { OpenRollout } from "./open-rollout.ts";
import type { RolloutRecord } from "./rollout-record.ts";

/** null: it is approved already. Throws `permission_denied` for the planner. */
export function approve(
  command: CommandItem,
  rollout: OpenRollout,
  refuse: (problem: string) => MusterError,
): RolloutEvent | null {
  const { plannedBy, approval, progress } = rollout.record;
  if (approval !== null) return null;
  if (progress.state !== "awaiting-approval") throw refuse("it needs no approval");
  if (command.actor === plannedBy) {
    throw new MusterError({
      code: "permission_denied",
      message:
        `cannot approve rollout ${command.name}: ${plannedBy} had its plan made, ` +
        "and somebody else must approve it",
      detail: { hint: "whoever approves it needs a token of their own: muster token create" },
    });
  }
  return { kind: "approve", why: `approved by ${byWhom(command)}` };
}

/** Anybody may reject, the planner too. */
export function reject(
  command: CommandItem,
  rollout: OpenRollout,
  refuse: (problem: string) => MusterError,
): RolloutEvent {
  if (rollout.record.progress.state !== "awaiting-approval") throw refuse("it awaits no approval");
  return { kind: "stop", why: `rejected by ${byWhom(command)}`, rollback: false };
}

/** What is kept of an approval, and told to the audit log. */
export function approvalOf(
  command: CommandItem,
  rollout: OpenRollout,
  atMs: number,
): NonNullable<RolloutRecord["approval"]> {
  return { by: command.actor, atMs, planDigest: rollout.plan.digest };
}

function byWhom({ actor, reason }: CommandItem): string {
  return reason === "" ? actor : `${actor}: ${reason}`;
}
