// SPDX-License-Identifier: Apache-2.0
/** Says in one sentence why a device is not moving, or that it is where it should be. */
import { ATTEMPT, ATTEMPT_STATES, CELL_REASONS, type AttemptState } from "../../domain/attempt.ts";
import { offerBudget } from "../../domain/offer-budget.ts";
import { formatInstant } from "../../domain/civil-time.ts";
import { mayJoin } from "../../domain/membership.ts";
import { zoneIndexOf } from "../../domain/plan-zones.ts";
import { nextChangeAfter } from "../../domain/window.ts";
import type { WindowKind } from "../../domain/zone-windows.ts";
import type { Store, StoredDevice } from "../../ports/store.ts";
import { MusterError } from "../../domain/errors.ts";
import type { ReleaseIndex } from "../releases/release-index.ts";
import { loadRollout, type LoadOptions } from "../rollouts/loop-state.ts";
import { groupVerdictAt } from "../rollouts/device-groups.ts";
import type { OpenRollout } from "../rollouts/open-rollout.ts";
import { createPlaceGuard } from "../rollouts/place-guard.ts";
import { keeperOf, type Predecessors } from "../rollouts/predecessors.ts";
import { rivalryAt, rivalsOf } from "../rollouts/rivals.ts";
import { readRollout, rolloutKey } from "../rollouts/rollout-record.ts";
import type { DigestDictionary } from "../state/digest-dictionary.ts";
import type { FleetTable } from "../state/fleet-table.ts";
import type { RunningTable } from "../state/running-table.ts";
import { factsOf, readDevice } from "./device-record.ts";
import { runningFacts } from "./running-facts.ts";

export interface ExplainOptions {
  readonly store: Store;
  readonly fleet: FleetTable;
  readonly releases: ReleaseIndex;
  readonly running: () => RunningTable;
  readonly digests: () => DigestDictionary;
  readonly openRollouts: () => Iterable<OpenRollout>;
  readonly predecessors: () => Pick<Predecessors, "of">;
  readonly load: Omit<LoadOptions, "signal">;
  readonly gatewayName: (gatewayNumber: number) => string;
}

export interface Explanation {
  readonly sentence: string;
  readonly facts: string[];
}

/** `rolloutName` "" = the newest open rollout that has the device. */
export async function explainDevice(
  options: ExplainOptions,
  device: StoredDevice,
  rolloutName: string,
  signal: AbortSignal,
): Promise<Explanation> {
  const { sentence, facts } = await explainMove(options, device, rolloutName, signal);
  return { sentence, facts: [...facts, ...runningFacts(options, device.ordinal)] };
}

async function explainMove(
  options: ExplainOptions,
  device: StoredDevice,
  rolloutName: string,
  signal: AbortSignal,
): Promise<Explanation> {
  const presence = presenceSentence(options, device);
  const rollout =
    rolloutName === ""
      ? newestOpen(options, device)
      : await named(options, device, rolloutName, signal);
  if (rollout === null) {
    const why = readDevice(device).retired ? "it is retired" : "no open rollout has it in its plan";
    return { sentence: `Nothing is to be done on ${device.id}: ${why}.`, facts: [presence] };
  }
  const position = rollout.positionOf(device.ordinal);
  if (position < 0) return notPlanned(device, rollout, presence);
  const { page, index } = rollout.cell(position);
  const state = ATTEMPT_STATES[page.state[index] ?? 0] ?? "pending";
  const reason = CELL_REASONS[page.reason[index] ?? 0] ?? "";
  const target = rollout.targetAt(position);
  const sentence = sentenceOf(options, rollout, device.ordinal, position, state, reason);
  return {
    sentence: `${device.id} ${sentence}.`,
    facts: [
      presence,
      `rollout ${rollout.record.name} is ${rollout.record.progress.state}: ` +
        rollout.record.progress.stateReason,
      `wave ${rollout.waveAt(position) + 1} of ${rollout.plan.waves.length}, position ${position}`,
      `attempt is ${state}${reason === "" ? "" : ` (${reason})`}, ` +
        `generation ${page.generation[index] ?? 0}`,
      ...(await groupFact(options, rollout, position, signal)),
      `target is ${target.release === "" ? "nothing installed" : target.release}`,
    ],
  };
}

function notPlanned(device: StoredDevice, rollout: OpenRollout, presence: string): Explanation {
  return {
    sentence: `${device.id} is not in the plan of rollout ${rollout.record.name}.`,
    facts: [
      presence,
      ...strangerFact(device, rollout),
      ...rollout.plan.exclusions.map(
        ({ reason, deviceCount }) => `${deviceCount} devices were left out: ${reason}`,
      ),
    ],
  };
}

/** Who of its group cannot be reached; nothing where nobody waits for anybody. */
async function groupFact(
  options: ExplainOptions,
  rollout: OpenRollout,
  position: number,
  signal: AbortSignal,
): Promise<string[]> {
  if (rollout.stateAt(position) !== ATTEMPT.pending) return [];
  const verdict = groupVerdictAt(rollout, position, options.fleet);
  if (verdict.kind !== "wait") return [];
  const ordinal = rollout.ordinalAt(verdict.position);
  const [missing] = await options.store.getDevicesByOrdinal([ordinal], { signal });
  return [`of its group ${missing?.id ?? `device ${ordinal}`} cannot be reached now`];
}

/** Of one that would have joined. */
function strangerFact(device: StoredDevice, { record, plan }: OpenRollout): string[] {
  if (!mayJoin(record.spec.joiners, record.progress.state)) return [];
  if (zoneIndexOf(record.spec.windows, plan.zones, factsOf(device)) !== -1) return [];
  return ["its time zone is none of those that the plan has windows in: it does not join"];
}

function presenceSentence(options: ExplainOptions, device: StoredDevice): string {
  const presence = options.fleet.presence(device.ordinal);
  const gateway = options.gatewayName(options.fleet.gatewayOf(device.ordinal));
  const sawAtMs = options.fleet.sawAt(device.ordinal);
  const isGone = presence !== "online" && sawAtMs !== 0;
  const since = !isGone ? "" : `, last seen ${new Date(sawAtMs).toISOString()}`;
  return `it is ${presence}${gateway === "" ? "" : ` at gateway ${gateway}`}${since}`;
}

function newestOpen(options: ExplainOptions, device: StoredDevice): OpenRollout | null {
  let newest: OpenRollout | null = null;
  for (const rollout of options.openRollouts()) {
    if (rollout.record.tenant !== device.tenant) continue;
    if (rollout.positionOf(device.ordinal) < 0) continue;
    if (newest === null || rollout.record.number > newest.record.number) newest = rollout;
  }
  return newest;
}

async function named(
  options: ExplainOptions,
  device: StoredDevice,
  name: string,
  signal: AbortSignal,
): Promise<OpenRollout> {
  for (const rollout of options.openRollouts()) {
    if (rollout.key === rolloutKey(device.tenant, name)) return rollout;
  }
  const key = rolloutKey(device.tenant, name);
  const document = await options.store.getDocument("rollout", key, { signal });
  if (document === null) {
    throw new MusterError({
      code: "not_found",
      message: `there is no rollout ${name}`,
      detail: { hint: "see what there is: muster get rollouts" },
    });
  }
  const record = readRollout(document);
  if (record.progress.state === "draft") {
    throw new MusterError({
      code: "failed_precondition",
      message: `rollout ${name} is draft: it has no plan to look the device up in`,
      detail: { hint: `freeze its plan first: muster rollout plan ${name}` },
    });
  }
  return loadRollout({ ...options.load, signal }, record, document.revision);
}

function sentenceOf(
  options: ExplainOptions,
  rollout: OpenRollout,
  ordinal: number,
  position: number,
  state: AttemptState,
  reason: string,
): string {
  switch (state) {
    case "pending":
      return pendingSentence(options, rollout, ordinal, position);
    case "offered":
      return options.fleet.presence(ordinal) === "online"
        ? "holds an offer and has not answered yet"
        : "may hold an offer and is not connected; its token stays spent until it is heard of";
    case "accepted":
    case "downloading":
      return `is under way: ${state}${windowNote(options, rollout, position, "download")}`;
    case "downloaded":
      return `has the release${windowNote(options, rollout, position, "install")}`;
    case "waiting":
      return reason === "window-closed"
        ? `has the release and waits${windowNote(options, rollout, position, "install")}`
        : "has the release and its busy hook defers the install";
    case "verifying":
      return "has installed the release and soaks: it must stay healthy with the right digest";
    case "succeeded":
      return "runs what it should";
    case "failed":
    case "rolled-back":
      return `failed (${reason}) and runs what it ran before`;
    case "lost":
      return `fell silent after it accepted (${reason}); it counts as a failure`;
    case "timed-out":
      return `took longer than a phase allows (${reason}); it counts as a failure`;
    case "rejected":
      return `refused the offer (${reason})`;
    case "superseded":
      return "took on newer work for the same slot";
    case "cancelled":
      if (reason === "group-failed") return "was kept back: one that it moves together with failed";
      return "was not reached before the rollout stopped";
    case "unreachable":
      return "was never connected while the rollout ran";
    default:
      return `is under way: ${state}`;
  }
}

/** Since when nothing may begin, and when it may again; "" while the window is open. */
function windowNote(
  options: ExplainOptions,
  rollout: OpenRollout,
  position: number,
  window: WindowKind,
): string {
  if (!rollout.isWindowClosed(position, window)) return "";
  const zone = rollout.zoneAt(position);
  const windows = rollout.record.spec.windows[window];
  const opensAtMs = nextChangeAfter(windows, zone, options.load.clock.wallMs());
  const opens = opensAtMs === null ? "" : ` and opens at ${formatInstant(opensAtMs)}`;
  return `; its ${window} window is closed in ${zone}${opens}`;
}

function pendingSentence(
  options: ExplainOptions,
  rollout: OpenRollout,
  ordinal: number,
  position: number,
): string {
  const { progress, name } = rollout.record;
  if (progress.state !== "running") {
    return `waits because rollout ${name} is ${progress.state}: ${progress.stateReason}`;
  }
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
