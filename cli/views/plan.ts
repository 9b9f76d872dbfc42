// SPDX-License-Identifier: Apache-2.0
/** The frozen plan as a page to review before the start. */
import {
  OnSliceFailure,
  RolloutState,
  type Plan,
  type PlanWave,
  type Rollout,
} from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { renderTable } from "../output/table.ts";
import { countOf, formatBytes, formatCount, formatElapsed } from "../output/units.ts";
import { subjectText } from "./subject.ts";
import { amountText } from "./amounts.ts";
import { conflictLines, waitLines } from "./conflicts.ts";
import { factLines } from "./fact-lines.ts";
import { pathLines } from "./paths.ts";
import { scheduleFacts, zoneText } from "./schedule.ts";

/** `terminalWidth` null = not a terminal. */
export function planLines(rollout: Rollout, plan: Plan, terminalWidth: number | null): string[] {
  const { spec } = rollout;
  const excludedCount = plan.exclusions.reduce((sum, { deviceCount }) => sum + deviceCount, 0);
  const next = nextStep(rollout, plan);
  const lines = [
    `Plan of rollout ${rollout.name}: ` +
      `${subjectText(spec)} to ${countOf(plan.deviceCount, "device")}`,
    "",
    ...factLines([
      ["selector", spec?.selector === "" ? "(every device)" : (spec?.selector ?? "")],
      ["worst case", `${countOf(plan.blastRadiusBound, "device")} unproven at any moment`],
      ["strategy", strategyText(rollout)],
      ["in flight", inFlightText(plan) + placesText(rollout)],
      ["stops at", gateText(rollout, plan)],
      ["or when", evidenceText(rollout, plan)],
      ["told apart", apartText(rollout, plan)],
      ["before each wave", analysisText(rollout)],
      [
        "download",
        `${formatBytes(Number(plan.downloadBytes))} before compression, all devices together`,
      ],
      ["duration", `about ${formatElapsed(Number(plan.expectedDurationMs))}`],
      ...scheduleFacts(spec),
      ["time zones", zoneText(plan)],
      ["digest", plan.digest],
    ]),
    "",
    ...waveLines(plan, terminalWidth),
    "",
    ...sliceLines(plan, terminalWidth),
    ...pathLines(plan, terminalWidth),
    excludedCount === 0
      ? "No device is left out."
      : `Left out: ${countOf(excludedCount, "device")}`,
    ...exclusionLines(plan, terminalWidth),
    "",
    ...conflictLines(plan, terminalWidth),
    ...(plan.waits.length === 0 ? [] : [...waitLines(plan), ""]),
    ...(next === "" ? [] : [next]),
  ];
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines;
}

/** "" for waves as they are listed: they are in the table. */
function strategyText({ spec }: Rollout): string {
  const kind = spec?.strategy?.kind;
  if (kind?.case === "exponential") {
    const { first, factor, cap } = kind.value;
    return `exponential: ${amountText(first)} first, × ${factor}, up to ${amountText(cap)} a wave`;
  }
  if (kind?.case !== "adaptive") return "";
  return "adaptive: doubles while all goes well, halves when attempts fail";
}

function inFlightText({ maxInFlight, window }: Plan): string {
  if (window === undefined) return `at most ${countOf(maxInFlight, "device")} at once`;
  const { first, min, max } = window;
  const bounds = `between ${formatCount(min)} and ${formatCount(max)}`;
  return `${countOf(first, "device")} at first, ${bounds} at once`;
}

function placesText({ spec }: Rollout): string {
  const { maxInFlightPerGateway = 0, maxInFlightPerSite = 0 } = spec ?? {};
  return [
    maxInFlightPerGateway === 0 ? "" : `, ${formatCount(maxInFlightPerGateway)} a gateway`,
    maxInFlightPerSite === 0 ? "" : `, ${formatCount(maxInFlightPerSite)} a site`,
  ].join("");
}

/** "" when it has begun, or will not begin any more. */
function nextStep({ name, state, plannedBy }: Rollout, { digest }: Plan): string {
  if (state === RolloutState.PLANNED) {
    return `Start exactly this plan: muster rollout start ${name} --plan-digest ${digest}`;
  }
  if (state !== RolloutState.AWAITING_APPROVAL) return "";
  const approve = `muster rollout approve ${name} --plan-digest ${digest}`;
  return `Somebody other than ${plannedBy} must approve it: ${approve}`;
}

function gateText({ spec }: Rollout, plan: Plan): string {
  const failures = amountText(spec?.gate?.maxFailures);
  if (failures === "") return "";
  const success = spec?.gate?.minSuccessPercent ?? 0;
  const next = success === 0 ? "" : `; the next wave needs ${success} % success`;
  // A share is frozen as a count: that is what it stops at.
  const share = failures.endsWith("%") && plan.maxFailures > 0 ? ` (${failures})` : "";
  const limit = share === "" ? failures : formatCount(plan.maxFailures);
  return `${limit} failed${share}${next}`;
}

/** When it is evident that too many would fail; "" when that is not tested. */
function evidenceText({ spec }: Rollout, plan: Plan): string {
  if (plan.evidentFailures.length === 0) return "";
  const byWave = plan.waves.flatMap(({ number }, index) => {
    const failures = plan.evidentFailures[index] ?? 0;
    return failures === 0 ? [] : [`${formatCount(failures)} in wave ${number}`];
  });
  return (
    `more than ${percentText(plan.maxFailureRatePercent)} would fail, as soon as it is evident ` +
    `(false alarm ${percentText(spec?.gate?.falseAlarmPercent ?? 0)})` +
    (byWave.length === 0 ? "" : `: ${byWave.join(", ")} at the latest`)
  );
}

/** What the gate tells apart; "" when it is nothing. */
function apartText({ spec }: Rollout, plan: Plan): string {
  if (plan.evidentFailures.length === 0 || plan.siteCount === 0) return "";
  const sites =
    `failures are counted at ${countOf(plan.siteCount, "site")} too, ` +
    "a device without one as a site of its own";
  if (plan.slices.length === 0) return sites;
  const share = (spec?.gate?.falseAlarmPercent ?? 0) / (1 + plan.slices.length);
  const failing =
    spec?.gate?.onSliceFailure === OnSliceFailure.HOLD_SLICE ? "is held" : "stops the rollout";
  return (
    `${sites}; ${countOf(plan.slices.length, "slice")} and the whole share the false alarm, ` +
    `${percentText(share)} each; a slice that fails ${failing}`
  );
}

/** "" when nobody is asked. */
function analysisText({ spec }: Rollout): string {
  const url = spec?.gate?.analysis?.url ?? "";
  return url === "" ? "" : `asks ${url} (but the first), and before the end`;
}

function sliceLines(plan: Plan, terminalWidth: number | null): string[] {
  if (plan.slices.length === 0) return [];
  const table = renderTable({
    terminalWidth,
    rows: plan.slices,
    columns: [
      { title: "DEVICES", align: "right", cell: ({ deviceCount }) => formatCount(deviceCount) },
      { title: "SITES", align: "right", cell: ({ siteCount }) => formatCount(siteCount) },
      { title: "SLICE", cell: ({ name }) => name },
    ],
  });
  return [...table, ""];
}

function percentText(percent: number): string {
  return `${Number(percent.toPrecision(3))} %`;
}

function waveLines(plan: Plan, terminalWidth: number | null): string[] {
  return renderTable({
    terminalWidth,
    rows: plan.waves,
    columns: [
      { title: "WAVE", align: "right", cell: ({ number }) => String(number) },
      { title: "DEVICES", align: "right", cell: ({ deviceCount }) => formatCount(deviceCount) },
      { title: "EXPECTED", cell: expectedText },
      { title: "DIGEST", cell: ({ devicesDigest }) => devicesDigest.slice(0, 12) },
      { title: "FIRST OF THEM", cell: ({ sample }) => sample.join(" ") },
    ],
  });
}

/** Since the start of the rollout. */
function expectedText({ expectedStartMs, expectedEndMs }: PlanWave): string {
  return `${formatElapsed(Number(expectedStartMs))} – ${formatElapsed(Number(expectedEndMs))}`;
}

function exclusionLines(plan: Plan, terminalWidth: number | null): string[] {
  if (plan.exclusions.length === 0) return [];
  return renderTable({
    terminalWidth,
    rows: plan.exclusions,
    columns: [
      { title: "DEVICES", align: "right", cell: ({ deviceCount }) => formatCount(deviceCount) },
      { title: "REASON", cell: ({ reason }) => reason },
      { title: "FOR EXAMPLE", cell: ({ sample }) => sample.join(" ") },
    ],
  });
}
