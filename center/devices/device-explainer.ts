// SPDX-License-Identifier: Apache-2.0
/** Says in one sentence why a device is not moving, or that it is where it should be. */
import { ATTEMPT, ATTEMPT_STATES, CELL_REASONS } from "../../domain/attempt.ts";
import { mayJoin } from "../../domain/membership.ts";
import { zoneIndexOf } from "../../domain/plan-zones.ts";
import type { Store, StoredDevice } from "../../ports/store.ts";
import { MusterError } from "../../domain/errors.ts";
import { subjectOf, type Command, type SubjectFields } from "../../domain/subject.ts";
import type { ReleaseIndex } from "../releases/release-index.ts";
import { loadRollout, type LoadOptions } from "../rollouts/loop-state.ts";
import { groupVerdictAt } from "../rollouts/device-groups.ts";
import type { OpenRollout } from "../rollouts/open-rollout.ts";
import { createPreviousTarget, releaseLookup } from "../rollouts/previous-target.ts";
import { readRollout, rolloutKey, type PlanTarget } from "../rollouts/rollout-record.ts";
import type { DigestDictionary } from "../state/digest-dictionary.ts";
import type { RunningTable } from "../state/running-table.ts";
import { attemptSentence, type SentenceOptions } from "./attempt-sentence.ts";
import { factsOf, readDevice } from "./device-record.ts";
import { runningFacts } from "./running-facts.ts";

export interface ExplainOptions extends Omit<SentenceOptions, "clock"> {
  readonly store: Store;
  readonly releases: ReleaseIndex;
  readonly running: () => RunningTable;
  readonly digests: () => DigestDictionary;
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
  const { clock } = options.load;
  const sentence = attemptSentence({ ...options, clock }, rollout, position);
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
      `target is ${targetText(rollout.record.spec, target)}`,
    ],
  };
}

/** What it shall run, or do. */
function targetText(spec: SubjectFields, { release }: Pick<PlanTarget, "release">): string {
  const subject = subjectOf(spec);
  if (subject.kind === "command") return commandText(subject.command);
  if (release === "") return "nothing installed";
  return subject.kind === "configuration" ? `configuration ${release}` : release;
}

function commandText({ work }: Command): string {
  if (work.kind === "built-in") return `the command ${work.name}`;
  return work.kind === "run" ? `the command ${work.run.join(" ")}` : "a script";
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

/** Who of its group cannot be reached, or has failed; nothing where neither matters to it. */
async function groupFact(
  options: ExplainOptions,
  rollout: OpenRollout,
  position: number,
  signal: AbortSignal,
): Promise<string[]> {
  const { page, index } = rollout.cell(position);
  const isOver = CELL_REASONS[page.reason[index] ?? 0] === "group-failed";
  if (page.state[index] !== ATTEMPT.pending && !isOver) return [];
  const verdict = groupVerdictAt(rollout, position, options.fleet);
  if (verdict.kind === "offer") return [];
  const ordinal = rollout.ordinalAt(verdict.position);
  const [missing] = await options.store.getDevicesByOrdinal([ordinal], { signal });
  const what = verdict.kind === "wait" ? "cannot be reached now" : "has failed";
  return [`of its group ${missing?.id ?? `device ${ordinal}`} ${what}`];
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
  const previousTarget = createPreviousTarget(options.digests(), releaseLookup(options.releases));
  return loadRollout({ ...options.load, previousTarget, signal }, record, document.revision);
}
