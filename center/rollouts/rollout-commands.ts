// SPDX-License-Identifier: Apache-2.0
/**
 * What an operator's command means for a rollout in its present state: an event for the engine,
 * nothing (it is already so), or one clear refusal.
 */
import { formatInstant } from "../../domain/civil-time.ts";
import { MusterError } from "../../domain/errors.ts";
import { chooseRollback } from "../../domain/rollback.ts";
import { isEnded } from "../../domain/rollout.ts";
import { mayStop, type RolloutEvent } from "../../domain/rollout-engine.ts";
import { approve, reject } from "./approval.ts";
import type { CommandItem } from "./loop-inbox.ts";
import type { OpenRollout } from "./open-rollout.ts";

/** null: nothing to do, the rollout is already as asked. Throws `failed_precondition`. */
export function eventOf(
  command: CommandItem,
  rollout: OpenRollout,
  wallMs: number,
): RolloutEvent | null {
  const { state } = rollout.record.progress;
  const why = `${command.actor}${command.reason === "" ? "" : `: ${command.reason}`}`;
  const refuse = (problem: string): MusterError => refusal(command, state, problem);
  switch (command.action) {
    case "approve":
      checkDigest(command, rollout);
      return approve(command, rollout, refuse);
    case "reject":
      checkDigest(command, rollout);
      return reject(command, rollout, refuse);
    case "start":
      return start(command, rollout, wallMs);
    case "pause":
      if (state === "paused") return null;
      if (state === "running") return { kind: "pause", why: `paused by ${why}` };
      throw refusal(command, state, "it is not running");
    case "resume":
      if (state === "running") return null;
      if (state === "paused") return { kind: "resume" };
      throw refusal(command, state, "it is not paused");
    default:
      return stop(command, rollout, why);
  }
}

function start(command: CommandItem, rollout: OpenRollout, wallMs: number): RolloutEvent | null {
  const { state } = rollout.record.progress;
  checkDigest(command, rollout);
  if (state === "running") return null;
  const { expiresAtMs } = rollout.record.spec;
  if (state === "planned" && expiresAtMs !== 0 && wallMs >= expiresAtMs) {
    throw refusal(command, state, `its "expires", ${formatInstant(expiresAtMs)}, is in the past`);
  }
  if (state === "planned") return { kind: "start" };
  if (state === "awaiting-approval") {
    throw refusal(
      command,
      state,
      `another operator than ${rollout.record.plannedBy} must approve its plan first`,
    );
  }
  throw refusal(command, state, "only a planned rollout can be started");
}

/** `conflict`: it is another plan than the one that was reviewed. */
function checkDigest(command: CommandItem, rollout: OpenRollout): void {
  const { planDigest, name } = command;
  const { digest } = rollout.plan;
  if (planDigest === "" || planDigest === digest) return;
  throw new MusterError({
    code: "conflict",
    message:
      `cannot ${wordOf(command.action)} rollout ${name}: the frozen plan is ${digest}, ` +
      `not ${planDigest}`,
    detail: { hint: `review it again with: muster rollout plan ${name}` },
  });
}

function stop(command: CommandItem, rollout: OpenRollout, why: string): RolloutEvent | null {
  const { state } = rollout.record.progress;
  const rollback = command.action === "rollback";
  const { rollbackWanted } = rollout.record.progress;
  if (state === "rolling-back" && !rollback) {
    throw refusal(command, state, `${rollout.record.child} is at work; stop that one`);
  }
  if (state === "rolling-back") return null;
  if (state === "stopping" && (!rollback || rollbackWanted)) return null;
  if (state === "stopped" && !rollback) return null;
  if (mayStop(state, rollback)) {
    if (rollback && !rollout.needsEvidence) {
      throw refusal(command, state, "a command that has run cannot be taken back");
    }
    // One that is open is ended in any case: a device may accept at any moment.
    if (rollback && isEnded(state) && !hasReached(rollout)) {
      throw refusal(command, state, "it has reached no device, so nobody has to go back");
    }
    if (rollback && rollout.frame.isRollback) {
      throw refusal(command, state, "it is itself a rollback");
    }
    if (rollback && rollout.record.child !== "") {
      throw refusal(command, state, `${rollout.record.child} has rolled it back already`);
    }
    return { kind: "stop", why: `${rollback ? "rolled back" : "stopped"} by ${why}`, rollback };
  }
  throw refusal(command, state, "it is not running");
}

/** Did anybody accept, or may have? */
function hasReached(rollout: OpenRollout): boolean {
  return rollout.total.exposed > 0 || chooseRollback(rollout.cells(), () => false).length > 0;
}

/** `failed_precondition`: names the rollout, its state and why the command is refused. */
export function refusal(
  command: Pick<CommandItem, "action" | "name">,
  state: string,
  problem: string,
): MusterError {
  return new MusterError({
    code: "failed_precondition",
    message: `cannot ${wordOf(command.action)} rollout ${command.name}: it is ${state}; ${problem}`,
    detail: { hint: `see it with: muster get rollouts ${command.name}` },
  });
}

/** A command in a sentence. */
export function wordOf(action: CommandItem["action"]): string {
  return action === "rollback" ? "roll back" : action;
}
