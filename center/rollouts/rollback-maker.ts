// SPDX-License-Identifier: Apache-2.0
/**
 * Makes the rollback of a rollout: a rollout of its own, with a parent, in which each device goes
 * back to what it ran before. Every device that accepted, or may have, is in it, those that
 * succeeded included; those that are back already, with evidence, are not.
 */
import { chooseRollback } from "../../domain/rollback.ts";
import { planRollback, type PlannedRollback } from "../../domain/rollback-plan.ts";
import { INITIAL_PROGRESS } from "../../domain/rollout.ts";
import type { Clock } from "../../ports/clock.ts";
import { OpenRollout } from "./open-rollout.ts";
import { planDigest } from "./plan-digest.ts";
import type { PreviousTarget } from "./previous-target.ts";
import type { PlanRecord, PlanTarget, RolloutRecord } from "./rollout-record.ts";

const MAX_NAME_CHARACTERS = 63;

/** null when no device needs to go back. */
export function makeRollback(options: {
  parent: OpenRollout;
  number: number;
  name: string;
  previousTarget: PreviousTarget;
  clock: Clock;
  offerLifetimeMs: number;
  /** Test-only switches for planted bugs; false in production. */
  isPlanted: (name: string) => boolean;
}): OpenRollout | null {
  const { parent } = options;
  const chosen = choose(options);
  if (chosen.ordinals.length === 0) return null;
  const nowMs = options.clock.wallMs();
  const planned = planRollback(parent.record.spec, chosen.ordinals.length);
  const record: RolloutRecord = {
    number: options.number,
    tenant: parent.record.tenant,
    name: options.name,
    spec: planned.spec,
    progress: { ...INITIAL_PROGRESS, state: "planned", stateReason: "planned" },
    plannedBy: "",
    approval: null,
    parent: parent.record.name,
    child: "",
    createdAtMs: nowMs,
    startedAtMs: nowMs,
    endedAtMs: 0,
    detailCount: 0,
    outputKept: 0,
    outputRows: 0,
    outputLeftOut: 0,
    pruned: null,
    finalCounts: null,
  };
  return new OpenRollout({
    record,
    revision: 0,
    plan: freeze(parent, chosen, planned, nowMs),
    columns: {
      ordinals: Uint32Array.from(chosen.ordinals),
      sites: Uint32Array.from(chosen.ordinals, (ordinal) =>
        parent.siteAt(parent.positionOf(ordinal)),
      ),
      targets: Uint16Array.from(chosen.targetIndexes),
      zones: null,
    },
    pages: [],
    offerLifetimeMs: options.offerLifetimeMs,
  });
}

function freeze(
  parent: OpenRollout,
  chosen: Chosen,
  planned: PlannedRollback,
  plannedAtMs: number,
): PlanRecord {
  const frozen = {
    seed: parent.plan.seed,
    slot: parent.plan.slot,
    deviceCount: chosen.ordinals.length,
    waves: planned.waves.map(({ start, end }) => ({
      start,
      end,
      startMs: 0,
      endMs: 0,
      devicesDigest: planDigest(chosen.ordinals.slice(start, end)),
      sample: [],
    })),
    zones: [],
    conflicts: [],
    waits: [],
    exclusions: chosen.excluded === 0 ? [] : [excluded(chosen.excluded)],
    limits: planned.limits,
    siteCount: 0,
    slices: [],
    targets: chosen.targets,
    starts: [],
    downloadBytes: chosen.downloadBytes,
    expectedDurationMs: 0,
    plannedAtMs,
  };
  return { ...frozen, digest: planDigest(frozen) };
}

/** What no operator may name a rollout: two of one name would hold up the loop. */
export const ROLLBACK_SUFFIX = "-rollback";

/** `app-2` → `app-2-rollback`; a long name is cut, and the number keeps it apart from others. */
export function rollbackName(parent: string, number: number): string {
  const name = parent + ROLLBACK_SUFFIX;
  if (name.length <= MAX_NAME_CHARACTERS) return name;
  const end = `-${number}${ROLLBACK_SUFFIX}`;
  return parent.slice(0, MAX_NAME_CHARACTERS - end.length) + end;
}

function excluded(deviceCount: number): PlanRecord["exclusions"][number] {
  return { reason: "previous-release-unknown", deviceCount, sample: [] };
}

interface Chosen {
  readonly ordinals: number[];
  readonly targetIndexes: number[];
  readonly targets: PlanTarget[];
  downloadBytes: number;
  excluded: number;
}

function choose(options: {
  parent: OpenRollout;
  previousTarget: PreviousTarget;
  isPlanted: (name: string) => boolean;
}): Chosen {
  const { parent, previousTarget } = options;
  const chosen: Chosen = {
    ordinals: [],
    targetIndexes: [],
    targets: [],
    downloadBytes: 0,
    excluded: 0,
  };
  const indexByPrevious = new Map<number, number>();
  for (const { position, previous } of chooseRollback(parent.cells(), options.isPlanted)) {
    const targetIndex = targetFor(previous, chosen, indexByPrevious, previousTarget);
    if (targetIndex === null) {
      chosen.excluded++;
      continue;
    }
    chosen.ordinals.push(parent.ordinalAt(position));
    chosen.targetIndexes.push(targetIndex);
  }
  return chosen;
}

function targetFor(
  previous: number,
  chosen: Chosen,
  indexByPrevious: Map<number, number>,
  previousTarget: PreviousTarget,
): number | null {
  const known = indexByPrevious.get(previous);
  if (known !== undefined) return known;
  const found = previousTarget(previous);
  if (found === null) return null;
  const { downloadBytes, ...target } = found;
  const index = chosen.targets.push(target) - 1;
  indexByPrevious.set(previous, index);
  chosen.downloadBytes += downloadBytes;
  return index;
}
