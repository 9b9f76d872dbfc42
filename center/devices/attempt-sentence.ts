// SPDX-License-Identifier: Apache-2.0
/** Where one device's attempt is and what it waits for, as the end of a sentence about it. */
import { unreachable } from "../../domain/assert.ts";
import {
  ATTEMPT,
  ATTEMPT_STATES,
  CELL_REASONS,
  isUnderWay,
  type AttemptState,
} from "../../domain/attempt.ts";
import { formatInstant } from "../../domain/civil-time.ts";
import { offerBudget } from "../../domain/offer-budget.ts";
import { nextChangeAfter } from "../../domain/window.ts";
import type { WindowKind } from "../../domain/zone-windows.ts";
import type { Clock } from "../../ports/clock.ts";
import { groupVerdictAt } from "../rollouts/device-groups.ts";
import type { OpenRollout } from "../rollouts/open-rollout.ts";
import { createPlaceGuard } from "../rollouts/place-guard.ts";
import { keeperOf, type Predecessors } from "../rollouts/predecessors.ts";
import { rivalryAt, rivalsOf } from "../rollouts/rivals.ts";
import type { FleetTable } from "../state/fleet-table.ts";

export interface SentenceOptions {
  readonly fleet: FleetTable;
  readonly openRollouts: () => Iterable<OpenRollout>;
  readonly predecessors: () => Pick<Predecessors, "of">;
  readonly clock: Clock;
}

/** By reason; of others it was the rollout that stopped. */
const CANCELLED: { readonly [reason: string]: string } = {
  "group-failed": "was kept back: one that it moves together with failed",
  "left-selection": "left before it was offered anything: retired, or selected no more",
  outdone: "is left alone here: a rollout that goes first has won its slot",
  "rollout-expired": "was not reached before the rollout expired",
};

/** What follows its name. */
export function attemptSentence(
  options: SentenceOptions,
  rollout: OpenRollout,
  position: number,
): string {
  const ordinal = rollout.ordinalAt(position);
  const { page, index } = rollout.cell(position);
  const state = ATTEMPT_STATES[page.state[index] ?? 0] ?? "pending";
  const reason = CELL_REASONS[page.reason[index] ?? 0] ?? "";
  const note = (window: WindowKind): string => windowNote(options, rollout, position, window);
  if (rollout.isGoingBack(position)) {
    const wayBack = wayBackSentence(options, rollout, position, state);
    if (wayBack !== null) return wayBack;
  }
  switch (state) {
    case "pending":
      return pendingSentence(options, rollout, ordinal, position);
    case "offered":
      return options.fleet.presence(ordinal) === "online"
        ? "holds an offer and has not answered yet"
        : "may hold an offer and is not connected; its token stays spent until it is heard of";
    case "lost":
      return `fell silent after it accepted (${reason}); it counts as a failure`;
    case "timed-out":
      return `took longer than a phase allows (${reason}); it counts as a failure`;
    case "rejected":
      return `refused the offer (${reason})`;
    case "superseded":
      return reason === "rollout-stopped"
        ? "was at work when the rollout ended; nothing more is heard of it here"
        : "took on newer work for the same slot";
    case "cancelled":
      return CANCELLED[reason] ?? "was not reached before the rollout stopped";
    case "unreachable":
      return "was never connected while the rollout ran";
    default:
      return rollout.needsEvidence
        ? releaseSentence(state, reason, note)
        : commandSentence(state, reason, note);
  }
}

/** Of one that is put back because its group failed; null where that says nothing more. */
function wayBackSentence(
  { fleet }: SentenceOptions,
  rollout: OpenRollout,
  position: number,
  state: AttemptState,
): string | null {
  const { progress, name } = rollout.record;
  const why = "one that it moves together with failed";
  if (isUnderWay(ATTEMPT[state])) return `goes back to what it ran before (${state}): ${why}`;
  if (state === "rolled-back") return `was put back to what it ran before: ${why}`;
  if (state === "cancelled") return `kept the release: ${why}, and the rollout stopped`;
  if (state !== "pending") return null;
  if (progress.state !== "running") {
    return `waits to go back because rollout ${name} is ${progress.state}: ${progress.stateReason}`;
  }
  const isThere = fleet.reachableThrough(rollout.ordinalAt(position)) !== 0;
  return `goes back ${isThere ? "as soon as the limits allow" : "when it connects"}: ${why}`;
}

type WorkState = Exclude<
  AttemptState,
  | "pending"
  | "offered"
  | "lost"
  | "timed-out"
  | "rejected"
  | "superseded"
  | "cancelled"
  | "unreachable"
>;

/** At work on a release or a configuration, or done with it. */
function releaseSentence(
  state: WorkState,
  reason: string,
  note: (window: WindowKind) => string,
): string {
  switch (state) {
    case "accepted":
    case "downloading":
      return `is under way: ${state}${note("download")}`;
    case "downloaded":
      return `has the release${note("install")}`;
    case "waiting":
      return reason === "window-closed"
        ? `has the release and waits${note("install")}`
        : "has the release and its busy hook defers the install";
    case "installing":
      return `is under way: ${state}`;
    case "verifying":
      return "has installed the release and soaks: it must stay healthy with the right digest";
    case "succeeded":
      return "runs what it should";
    case "failed":
    case "rolled-back":
      return `failed (${reason}) and runs what it ran before`;
    default:
      return unreachable(state);
  }
}

/** The same of a command, which is not fetched, leaves nothing behind and is not taken back. */
function commandSentence(
  state: WorkState,
  reason: string,
  note: (window: WindowKind) => string,
): string {
  switch (state) {
    case "accepted":
    case "downloading":
    case "downloaded":
      return `has accepted the command${note("install")}`;
    case "waiting":
      return reason === "window-closed"
        ? `has accepted the command and waits${note("install")}`
        : "has accepted the command and its busy hook defers it";
    case "installing":
    case "verifying":
      return "runs the command";
    case "succeeded":
      return "has carried out the command";
    case "failed":
    case "rolled-back":
      return `failed (${reason}); what the command did is not taken back`;
    default:
      return unreachable(state);
  }
}

/** Since when nothing may begin, and when it may again; "" while the window is open. */
function windowNote(
  options: SentenceOptions,
  rollout: OpenRollout,
  position: number,
  window: WindowKind,
): string {
  if (!rollout.isWindowClosed(position, window)) return "";
  const zone = rollout.zoneAt(position);
  const windows = rollout.record.spec.windows[window];
  const opensAtMs = nextChangeAfter(windows, zone, options.clock.wallMs());
  const opens = opensAtMs === null ? "" : ` and opens at ${formatInstant(opensAtMs)}`;
  return `; its ${window} window is closed in ${zone}${opens}`;
}

function pendingSentence(
  options: SentenceOptions,
  rollout: OpenRollout,
  ordinal: number,
  position: number,
): string {
  const { progress, name } = rollout.record;
  if (progress.state !== "running") {
    return `waits because rollout ${name} is ${progress.state}: ${progress.stateReason}`;
  }
  if (progress.waveCount === 0) return `waits because rollout ${name} is ${progress.stateReason}`;
  const wave = rollout.waveAt(position) + 1;
  if (!rollout.isReleased(position)) {
    return `waits for wave ${wave}; wave ${progress.waveCount} is not through its gate`;
  }
  const held = rollout.heldBecause(position);
  if (held !== null) return `waits because its slice is held: ${held}`;
  const first = options.predecessors().of(rollout, options.openRollouts());
  const keeper = keeperOf(first, ordinal);
  if (keeper !== null) return `waits for rollout ${keeper}, which has to succeed on it first`;
  if (options.fleet.reachableThrough(ordinal) === 0) {
    return `is offered when it connects: it is ${options.fleet.presence(ordinal)} now`;
  }
  if (groupVerdictAt(rollout, position, options.fleet).kind === "wait") {
    return "waits until every device that it moves together with can be reached";
  }
  const rivalry = rivalryAt(rollout, position, rivalsOf(rollout, options.openRollouts()));
  if (rivalry !== null) {
    const { record, plan } = rivalry.rival;
    return `waits for rollout ${record.name}, which has its slot ${plan.slot} first`;
  }
  const closed = windowNote(options, rollout, position, "install");
  if (closed !== "" && !options.fleet.understands(ordinal, "windows")) {
    return `is offered when its install window opens, for it keeps none by itself${closed}`;
  }
  if (offerBudget(rollout.frame, progress, rollout.total) === 0) {
    return "waits for a token: the in-flight limit or the blast radius is used up";
  }
  if (!createPlaceGuard(options.openRollouts(), options.fleet).claim(rollout, position)) {
    return "waits for a place: its site or its gateway has as many in flight as it may have";
  }
  return "is about to be offered";
}
