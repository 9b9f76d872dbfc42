// SPDX-License-Identifier: Apache-2.0
/** Rollouts as rows and in detail. */
import type {
  AnalysisQuestion,
  Plan,
  Rollout,
  RolloutProgress,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { RolloutStateSchema } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { enumWord } from "../output/plain-data.ts";
import type { Column } from "../output/table.ts";
import {
  countOf,
  formatBytes,
  formatCount,
  formatElapsed,
  formatInstant,
} from "../output/units.ts";
import { subjectText } from "./subject.ts";
import { amountText, countIn, stateCounts } from "./amounts.ts";
import { waitLines } from "./conflicts.ts";
import { factLines, type Fact } from "./fact-lines.ts";
import { scheduleFacts } from "./schedule.ts";
import { stopReachText } from "./stop-reach.ts";

/** States in which an attempt has an end. */
export const ENDED_ATTEMPTS: readonly string[] = [
  "succeeded",
  "failed",
  "rolled-back",
  "timed-out",
  "lost",
  "rejected",
  "superseded",
  "cancelled",
  "unreachable",
];

export const FAILED_ATTEMPTS: readonly string[] = ["failed", "rolled-back", "timed-out", "lost"];

/** "running", "rolling-back", … */
export function rolloutState(rollout: Rollout): string {
  return enumWord(RolloutStateSchema, rollout.state);
}

export const ROLLOUT_COLUMNS: readonly Column<Rollout>[] = [
  { title: "NAME", cell: ({ name }) => name },
  { title: "STATE", cell: rolloutState },
  { title: "SUBJECT", cell: ({ spec }) => subjectText(spec) },
  { title: "WAVE", cell: waveText },
  { title: "DEVICES", align: "right", cell: ({ plan }) => formatCount(plan?.deviceCount ?? 0) },
  { title: "SUCCEEDED", align: "right", cell: (rollout) => countText(rollout, ["succeeded"]) },
  { title: "BACK", align: "right", cell: (rollout) => countText(rollout, ["rolled-back"]) },
  {
    title: "FAILED",
    align: "right",
    cell: ({ progress }) => formatCount(progress?.failures ?? 0),
  },
  { title: "UNPROVEN", align: "right", cell: unprovenText },
  { title: "STARTED", cell: ({ startedAtMs }) => formatInstant(startedAtMs) },
];

function waveText({ plan, progress }: Rollout): string {
  const waveCount = plan?.waves.length ?? 0;
  return waveCount === 0 ? "" : `${progress?.wave ?? 0}/${waveCount}`;
}

function countText({ progress }: Rollout, states: readonly string[]): string {
  return formatCount(countIn(progress?.byState ?? {}, states));
}

function unprovenText({ plan, progress }: Rollout): string {
  return plan === undefined ? "" : `${progress?.unproven ?? 0}/${plan.blastRadiusBound}`;
}

/** Everything about one rollout but its plan. */
export function rolloutLines(rollout: Rollout): string[] {
  const { spec, progress, plan } = rollout;
  const facts: Fact[] = [
    ["rollout", rollout.name],
    ["tenant", rollout.tenant],
    ["state", rolloutState(rollout)],
    ["because", rollout.stateReason],
    ["release", spec?.release ?? ""],
    ["configuration", spec?.configuration ?? ""],
    ["command", spec?.command === undefined ? "" : subjectText(spec)],
    ["selector", spec?.selector === "" ? "(every device)" : (spec?.selector ?? "")],
    ["waves", (spec?.waves ?? []).map(amountText).join(", ")],
    ["max in flight", amountText(spec?.maxInFlight)],
    ["blast radius", amountText(spec?.blastRadius)],
    ["stops at", amountText(spec?.gate?.maxFailures)],
    ["soak", formatElapsed(Number(spec?.soakMs ?? 0n))],
    ...scheduleFacts(spec),
    ["plan", plan?.digest ?? ""],
    ["planned by", rollout.plannedBy],
    ["approved by", approvalText(rollout)],
    ["parent", rollout.parent],
    ["rolled back by", rollout.child],
    ["created", instantText(rollout.createdAtMs)],
    ["started", instantText(rollout.startedAtMs)],
    ["ended", instantText(rollout.endedAtMs)],
    ["attempts deleted", instantText(rollout.attemptsPrunedAtMs)],
    ["revision", String(rollout.revision)],
  ];
  const lines = factLines(facts);
  if (progress === undefined || plan === undefined) return lines;
  return [...lines, "", ...progressLines(rollout)];
}

/** Where its devices are. */
export function progressLines({ progress, plan, stopReach }: Rollout): string[] {
  if (progress === undefined || plan === undefined) return [];
  return [
    ...factLines([
      ["devices", devicesText(plan, progress)],
      ["now", stateCounts(progress.byState)],
      ["wave", `${progress.wave} of ${plan.waves.length}`],
      ["accepted", `${formatCount(progress.accepted)}, of which ${progress.failures} failed`],
      ["waiting", waitLines(progress).join("; ")],
      ["in flight", `${formatCount(progress.inFlight)} of at most ${plan.maxInFlight}`],
      ["exposed", formatCount(progress.exposed)],
      ["output", outputText(progress)],
      [
        "unproven",
        `${progress.unproven} (most so far ${progress.maxUnproven}, ` +
          `bound ${plan.blastRadiusBound})`,
      ],
      ["analysis", analysisText(progress.analysis, plan.waves.length)],
      ["stop reached", stopReach === undefined ? "" : stopReachText(stopReach)],
    ]),
    ...progress.slices.map(
      ({ name, accepted, failures, heldBecause }) =>
        `  slice ${name}: ${accepted} accepted, ${failures} failed` +
        (heldBecause === "" ? "" : ", held"),
    ),
    ...progress.waves.map((wave) => `  wave ${wave.number}: ${stateCounts(wave.byState) || "-"}`),
  ];
}

/** Those who were planned, and beside them those who came later. */
function devicesText({ deviceCount }: Plan, { joined }: RolloutProgress): string {
  const planned = formatCount(deviceCount);
  return joined === 0 ? planned : `${planned} planned, and ${formatCount(joined)} that joined`;
}

/** The open question, or the answer that waits for a person. */
function analysisText(question: AnalysisQuestion | undefined, waveCount: number): string {
  if (question === undefined) return "";
  const { wave, state, reason, forMs } = question;
  const before = wave > waveCount ? "the end" : `wave ${wave}`;
  const since = formatElapsed(Number(forMs));
  const said = reason === "" ? state : `${state}: ${reason}`;
  if (state === "asked") return `asked before ${before}, ${since} ago; no answer yet`;
  if (state === "overruled") return `before ${before} a person has resumed over its answer`;
  if (state === "success") return `before ${before}: ${said}`;
  return `before ${before}: ${said}; for ${since} a person has to decide`;
}

function approvalText({ approval }: Rollout): string {
  return approval === undefined ? "" : `${approval.by}, ${formatInstant(approval.atMs)}`;
}

/** Of a command: what is kept, and that it is not all. */
function outputText({ outputKeptBytes, outputLeftOut }: RolloutProgress): string {
  if (outputKeptBytes === 0n && outputLeftOut === 0) return "";
  const kept = `${formatBytes(Number(outputKeptBytes))} kept`;
  return outputLeftOut === 0 ? kept : `${kept}; of ${countOf(outputLeftOut, "report")} it is not`;
}

function instantText(atMs: bigint): string {
  return atMs === 0n ? "" : formatInstant(atMs);
}
