// SPDX-License-Identifier: Apache-2.0
/**
 * The plan of a rollout beside that of another: devices that came, went or changed
 * their wave, and every setting that differs. Bounded: counts, and a few devices of each kind.
 */
import type { MessageInitShape } from "@bufbuild/protobuf";
import { MusterError } from "../../domain/errors.ts";
import { DIFF_GROUPS, diffPlans, type ComparedPlan } from "../../domain/plan-diff.ts";
import { formatAmount, formatDuration, type Amount } from "../../domain/units.ts";
import type { Store } from "../../ports/store.ts";
import type { ComparePlansResponseSchema } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { allRollouts } from "./loop-state.ts";
import { loadPlan } from "./plan-loader.ts";
import { readRollout, rolloutKey, type PlanRecord, type RolloutRecord } from "./rollout-record.ts";

/** `other` "" = the newest plan before, for releases of the same name. */
export async function comparePlans(options: {
  store: Store;
  tenant: string;
  name: string;
  other: string;
  signal: AbortSignal;
}): Promise<MessageInitShape<typeof ComparePlansResponseSchema>> {
  const { store, tenant, name, other, signal } = options;
  const after = await findPlanned(store, tenant, name, signal);
  const before =
    other === ""
      ? await findPrevious(store, after, signal)
      : await findPlanned(store, tenant, other, signal);
  const left = await loadPlan(store, before, signal);
  const right = await loadPlan(store, after, signal);
  const diff = diffPlans(frozenOf(left), frozenOf(right));
  const groups = DIFF_GROUPS.map(async (group) => {
    const { deviceCount, ordinals } = diff[group];
    const devices = await store.getDevicesByOrdinal(ordinals, { signal });
    return { group, deviceCount, sample: devices.map((device) => device?.id ?? "") };
  });
  return {
    name: after.name,
    other: before.name,
    groups: await Promise.all(groups),
    settings: diffSettings(settingsOf(before, left.plan), settingsOf(after, right.plan)),
  };
}

/** Without those who joined later. */
function frozenOf({ plan, columns }: Awaited<ReturnType<typeof loadPlan>>): ComparedPlan {
  return { ordinals: columns.ordinals.subarray(0, plan.deviceCount), waves: plan.waves };
}

async function findPlanned(
  store: Store,
  tenant: string,
  name: string,
  signal: AbortSignal,
): Promise<RolloutRecord> {
  const document = await store.getDocument("rollout", rolloutKey(tenant, name), { signal });
  if (document === null) {
    throw new MusterError({
      code: "not_found",
      message: `there is no rollout ${name}`,
      detail: { hint: "see what there is: muster get rollouts" },
    });
  }
  const record = readRollout(document);
  if (record.progress.state !== "draft") return record;
  throw new MusterError({
    code: "failed_precondition",
    message: `rollout ${name} is draft: it has no plan to compare`,
    detail: { hint: `freeze its plan first: muster rollout plan ${name}` },
  });
}

/** The newest plan before this one, for releases of the same name, or for a command. */
async function findPrevious(
  store: Store,
  record: RolloutRecord,
  signal: AbortSignal,
): Promise<RolloutRecord> {
  let previous: RolloutRecord | null = null;
  for await (const document of allRollouts(store, signal)) {
    const other = readRollout(document);
    const isEarlier = other.tenant === record.tenant && other.number < record.number;
    if (!isEarlier || other.parent !== "" || other.progress.state === "draft") continue;
    if (other.pruned !== null) continue; // which devices it had is forgotten
    if (subjectOf(other) !== subjectOf(record)) continue;
    if (previous === null || other.number > previous.number) previous = other;
  }
  if (previous !== null) return previous;
  throw new MusterError({
    code: "not_found",
    message: `no rollout before ${record.name} has a plan for ${subjectOf(record)}`,
    detail: {
      hint: `name the one to compare with: muster rollout plan ${record.name} --diff NAME`,
    },
  });
}

function subjectOf({ spec }: RolloutRecord): string {
  if (spec.command !== null) return "a command";
  return spec.release.slice(0, spec.release.lastIndexOf("@"));
}

type Settings = ReadonlyMap<string, string>;

/** What a person looks at before the start, as text by name. */
function settingsOf({ spec }: RolloutRecord, plan: PlanRecord): Settings {
  const settings = new Map<string, string>();
  collect(settings, "spec", spec);
  settings.set("plan.devices", String(plan.deviceCount));
  settings.set("plan.waves", plan.waves.map(({ start, end }) => end - start).join(", "));
  collect(settings, "plan.limits", plan.limits);
  for (const { reason, deviceCount } of plan.exclusions) {
    settings.set(`plan.leftOut.${reason}`, String(deviceCount));
  }
  settings.set("plan.downloadBytes", String(plan.downloadBytes));
  settings.set("plan.expectedDuration", formatDuration(plan.expectedDurationMs));
  return settings;
}

/** Goes into mappings; amounts, lists and everything else is one setting. */
function collect(settings: Map<string, string>, path: string, value: unknown): void {
  const isMapping = typeof value === "object" && value !== null && !Array.isArray(value);
  if (!isMapping || isAmount(value)) {
    settings.set(path.replace(/Ms$/, ""), textOf(path, value));
    return;
  }
  for (const [name, inner] of Object.entries(value)) collect(settings, `${path}.${name}`, inner);
}

function textOf(path: string, value: unknown): string {
  if (isAmount(value)) return formatAmount(value);
  if (typeof value === "number" && path.endsWith("AtMs")) return new Date(value).toISOString();
  if (typeof value === "number" && path.endsWith("Ms")) return formatDuration(value);
  if (Array.isArray(value)) return value.map((entry) => textOf(path, entry)).join(", ");
  return typeof value === "string" ? value : JSON.stringify(value);
}

function isAmount(value: unknown): value is Amount {
  if (typeof value !== "object" || value === null) return false;
  const names = Object.keys(value);
  return names.length === 1 && (names[0] === "count" || names[0] === "percent");
}

function diffSettings(
  before: Settings,
  after: Settings,
): { name: string; before: string; after: string }[] {
  const names = [...new Set([...before.keys(), ...after.keys()])];
  return names
    .map((name) => ({ name, before: before.get(name) ?? "", after: after.get(name) ?? "" }))
    .filter((setting) => setting.before !== setting.after);
}
