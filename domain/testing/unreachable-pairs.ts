// SPDX-License-Identifier: Apache-2.0
/** Which pairs of the coverage tables nothing can bring about, and why. */
import { ATTEMPT_STATES } from "../attempt.ts";
import { ROLLOUT_STATES } from "../rollout.ts";
import { ROLLOUT_HAPPENINGS } from "./happenings.ts";

export type TableName = "attempt" | "rollout";

export interface Reason {
  readonly table: TableName;
  readonly states: readonly string[];
  readonly happenings: readonly string[];
  readonly why: string;
}

const PHASES = ["downloading", "downloaded", "waiting", "installing", "installed"];
const ENDS = ["failed", "rolled-back", "superseded"];
const REPORTS = ["accepted", ...PHASES, ...ENDS, "rejected"];
const SEEN = ["sees nothing", "sees target", "sees previous", "sees unknown"];
const UNDER_WAY = ["accepted", "downloading", "downloaded", "waiting", "installing", "verifying"];
const CLOSED = ["cancelled", "unreachable"];
const OPEN_ROLLOUTS = ["running", "paused", "stopping", "rolling-back"];

type Say = (states: readonly string[], happenings: readonly string[], why: string) => Reason;
const attempt: Say = (states, happenings, why) => ({ table: "attempt", states, happenings, why });
const rollout: Say = (states, happenings, why) => ({ table: "rollout", states, happenings, why });
const allBut = (all: readonly string[], ...some: readonly string[]): string[] =>
  all.filter((one) => !some.includes(one));

export const REASONS: readonly Reason[] = [
  attempt(
    allBut(ATTEMPT_STATES, "pending", "offered"),
    ["leased", ...CLOSED],
    "only what is pending or offered is leased, or closed",
  ),
  attempt(
    allBut(ATTEMPT_STATES, "pending", "offered"),
    ["outdone"],
    "what was accepted ends as its device says, whoever else wants it",
  ),
  attempt(allBut(ATTEMPT_STATES, ...UNDER_WAY), ["ended"], "an end supersedes what is under way"),
  attempt(
    ["pending"],
    ["report again", ...REPORTS],
    "the generation that it holds, if any, was given back before it left its gateway",
  ),
  attempt(["pending"], SEEN, "the sweep looks at what is offered, and at what has accepted"),
  attempt(
    ["rejected", ...CLOSED],
    ["sees previous"],
    "of these the sweep looks at those that go back, which are to run what they ran",
  ),
  attempt(allBut(ATTEMPT_STATES, "pending"), ["kept back"], "who was offered it has begun"),
  attempt(
    ["pending", "offered", "rejected", "superseded", ...CLOSED],
    ["goes back"],
    "who goes back took the release, and has not taken on anything newer",
  ),
  attempt(
    allBut(ATTEMPT_STATES, "offered"),
    ["returned"],
    "only what is offered can come free: anywhere else a return is late",
  ),
  attempt(["offered", ...CLOSED], ["report again"], "no report of its generation took effect"),
  attempt(
    allBut(ATTEMPT_STATES, "pending", "offered", ...CLOSED),
    ["accepted"],
    "a device says accepted first: it is never newer than what took effect",
  ),
  attempt(
    allBut(ATTEMPT_STATES, "pending", "offered", "rolled-back", "rejected", ...CLOSED),
    ["rejected"],
    "who refuses has accepted nothing, but for one that is back before it is to go back",
  ),
  attempt(["rejected"], allBut(REPORTS, "rejected"), "who refuses says nothing else"),
  attempt(["superseded"], REPORTS, "who was superseded says nothing more"),
  ...PHASES.map((phase, index) =>
    attempt([phase], PHASES.slice(0, index + 1), "a device says its phases in order, each once"),
  ),
  attempt(
    ["verifying", "succeeded"],
    ["failed"],
    "who fails before it switches never shows the release, by which alone it could have come here",
  ),
  attempt(
    ["failed"],
    ["failed", "superseded"],
    "who is said to have failed has said it, or is past its work",
  ),
  attempt(
    ["succeeded"],
    ["rolled-back", "superseded"],
    "whoever is proven by what it shows alone has shown it for longer than it examines it",
  ),
  attempt(
    ["offered"],
    ["superseded"],
    "only its rollback supersedes it; an answer is here before that is offered",
  ),
  attempt(
    ["failed", "rolled-back"],
    ["sees target", "goes back"],
    "who has put the release back does not show it again",
  ),
  rollout(["draft"], ROLLOUT_HAPPENINGS, "a draft has no plan: the engine does not know it"),
  rollout(allBut(ROLLOUT_STATES, ...OPEN_ROLLOUTS), ["tick"], "time passes for what is open"),
  rollout(allBut(ROLLOUT_STATES, "planned"), ["start"], "the command is refused, or done already"),
  rollout(allBut(ROLLOUT_STATES, "running"), ["pause"], "the command is refused, or done already"),
  rollout(allBut(ROLLOUT_STATES, "paused"), ["resume"], "the command is refused, or done already"),
  rollout(
    allBut(ROLLOUT_STATES, "planned", "awaiting-approval", "running", "paused"),
    ["stop"],
    "the command is refused, or done already",
  ),
  rollout(
    ["planned", "awaiting-approval", "rolling-back", "rolled-back"],
    ["rollback"],
    "the command is refused, or done already",
  ),
  rollout(
    allBut(ROLLOUT_STATES, "awaiting-approval"),
    ["approve"],
    "the command is refused, or done already",
  ),
  rollout(
    allBut(ROLLOUT_STATES, "rolling-back"),
    ["rollback-ended"],
    "a rollback ends while its parent rolls back",
  ),
  rollout(
    ["planned", "awaiting-approval"],
    ["analysis-answered"],
    "who has not begun has asked nobody",
  ),
];

/** null: it can happen. */
export function whyUnreachable(table: TableName, state: string, what: string): string | null {
  const reason = REASONS.find(
    (one) => one.table === table && one.states.includes(state) && one.happenings.includes(what),
  );
  return reason?.why ?? null;
}
