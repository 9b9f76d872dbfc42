// SPDX-License-Identifier: Apache-2.0
/**
 * Which rollouts a random history has: one, and often a second that wants the same devices: a rival
 * in the same slot, one of another slot beside it, one that goes after it, or a command.
 */
import { DEFAULT_ANALYSIS, type AnalysisPolicy } from "../analysis.ts";
import type { RolloutSpec } from "../rollout.ts";
import { commandTerms, type Command } from "../subject.ts";
import type { SeededRandom } from "../seeded-random.ts";
import type { PretendDevice } from "./pretend-device.ts";
import { specOf, type PureRollout } from "./pure-rollout.ts";
import type { SlotName } from "./slots.ts";

const FIRST_RELEASE = 10;
const SECOND_RELEASE = 11;

export interface HistoryDraft {
  /** Odd; the one after it is its rollback's. */
  readonly number: number;
  readonly slot: SlotName;
  /** 0 = a command, which leaves nothing. */
  readonly release: number;
  readonly members: readonly PretendDevice[];
  readonly after: readonly PureRollout[];
  readonly analysis: AnalysisPolicy | null;
  /** So many devices move together; 1 = each is on its own. */
  readonly groupSize: number;
  /** Instead of what is drawn for every rollout. */
  readonly spec: Partial<RolloutSpec>;
}

export function draftFirst(
  random: SeededRandom,
  members: readonly PretendDevice[],
  groupSize: number,
): HistoryDraft {
  return {
    number: 1,
    slot: "app",
    release: FIRST_RELEASE,
    members,
    after: [],
    analysis: drawAnalysis(random),
    groupSize,
    spec: { compatible: random.chance(0.5), priority: random.below(2), ...groupSpec(groupSize) },
  };
}

/** Groups are planned whole: nobody can join one. */
function groupSpec(groupSize: number): Partial<RolloutSpec> {
  return groupSize === 1 ? {} : { together: "cell", joiners: "never" };
}

/** null: the first one stays alone. */
export function draftSecond(
  random: SeededRandom,
  devices: readonly PretendDevice[],
  first: PureRollout,
  groupSize: number,
): HistoryDraft | null {
  const kind = random.pick(["none", "none", "rival", "beside", "after", "command"]);
  if (kind === "none") return null;
  const share = random.pick([0.5, 1]);
  const some = devices.filter(() => random.chance(share));
  const isAfter = kind === "after" || (kind === "command" && random.chance(0.3));
  const draft: HistoryDraft = {
    number: 3,
    slot: kind === "rival" ? "app" : "os",
    release: SECOND_RELEASE,
    members: some.length === 0 ? devices : some,
    after: isAfter ? [first] : [],
    analysis: drawAnalysis(random),
    groupSize,
    spec: {
      compatible: random.chance(0.5),
      priority: random.below(3) - 1,
      ...groupSpec(groupSize),
    },
  };
  if (kind !== "command") return draft;
  return { ...draft, slot: "command", release: 0, spec: { ...draft.spec, ...commandSpec() } };
}

function drawAnalysis(random: SeededRandom): AnalysisPolicy | null {
  return random.chance(0.15) ? { ...DEFAULT_ANALYSIS, url: "https://analysis.example" } : null;
}

function commandSpec(): Partial<RolloutSpec> {
  const work = { kind: "run", run: ["df"] } as const;
  const command: Command = { work, timeoutMs: 60_000, outputLimitBytes: 1_024 };
  const { installMs, ...terms } = commandTerms(command);
  return { release: "", command, ...terms, deadlines: { ...specOf().deadlines, installMs } };
}
