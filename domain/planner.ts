// SPDX-License-Identifier: Apache-2.0
/**
 * The planner: `plan(intent, inventory, seed) → Plan`, the frozen answer to "exactly which devices,
 * in which waves, who is left out and why". Pure and deterministic; it leaves no choice to whoever
 * carries it out.
 */
import { hasBandwidth, transferTimes, type PlannedTransfers } from "./bandwidth.ts";
import { assert } from "./assert.ts";
import type { DeviceFacts } from "./device.ts";
import { expectTimes, type ExpectedTimes } from "./expected-times.ts";
import { GroupOrder } from "./group-order.ts";
import { alignWaves } from "./groups.ts";
import { hasherOf } from "./hash.ts";
import { orderByPlace } from "./hash-order.ts";
import { NumberColumn } from "./number-column.ts";
import { PackedTexts } from "./packed-texts.ts";
import { NameColumn, PlacedIds, placedName, type PlacedNames } from "./plan-places.ts";
import { planZones, type DeviceZone, type PlanZones } from "./plan-zones.ts";
import { hasWindows, zoneOf } from "./zone-windows.ts";
import type { PlanLimits, RolloutSpec, WaveRange } from "./rollout.ts";
import type { DevicePredicate } from "./selector/matches.ts";
import { freezeWindow } from "./strategy.ts";
import { limitOf, sizeOf } from "./units.ts";
import {
  bytesFrom,
  placeOn,
  StartCounter,
  type PathExclusion,
  type PlannedPath,
  type PlannedStart,
} from "./version-path.ts";
import { cutWaves } from "./waves.ts";

export type ExclusionReason =
  | "retired"
  | "does-not-fit"
  | "fit-unknown"
  | "already-running"
  | PathExclusion;

export interface Exclusion {
  readonly reason: ExclusionReason;
  readonly deviceCount: number;
  /** First ids in order of ordinal, at most SAMPLE_SIZE. */
  readonly sample: readonly string[];
}

export interface PlannedWave extends WaveRange, ExpectedTimes {
  /** First ids, at most SAMPLE_SIZE. */
  readonly sample: readonly string[];
}

export interface Plan {
  /** Ordinal by position. Waves are contiguous ranges of positions. */
  readonly ordinals: Uint32Array;
  /** By position: the how manieth of those that were added, from 0; not kept after planning. */
  readonly order: Uint32Array;
  /** Device ids, for digests; not kept after planning. */
  readonly deviceIds: PlacedIds;
  /** Sites, "" = none. */
  readonly sites: PlacedNames;
  /** By position: index of the release with which the device begins; 0 where there is one. */
  readonly targets: Uint16Array;
  /** 1: the device moves together with the one before it; empty where nobody does. */
  readonly together: Uint8Array;
  /** Who begins where; empty where all begin with the only release. */
  readonly starts: readonly PlannedStart[];
  readonly waves: readonly PlannedWave[];
  readonly exclusions: readonly Exclusion[];
  readonly limits: PlanLimits;
  /** null without windows. */
  readonly zones: PlanZones | null;
  /** Of all devices together, before compression; see PlanIntent. */
  readonly downloadBytes: number;
  /** By position: of each; empty without caps of the bandwidth. Not kept after planning. */
  readonly transferBytes: Float64Array;
  /** If every phase takes as long as `expectedAttemptMs` says, and nobody is offline. */
  readonly expectedDurationMs: number;
}

export const SAMPLE_SIZE = 5;
const NOBODY = new Uint8Array(0);

/** What the planner needs to know of the release. */
export interface PlannedRelease {
  /** A device fits when each named inventory fact has one of the listed values. */
  readonly fits: { readonly [fact: string]: readonly string[] };
  readonly downloadBytes: number;
}

export interface PlanIntent {
  readonly spec: RolloutSpec;
  readonly release: PlannedRelease;
  readonly selects: DevicePredicate;
  /** Does the device run this very release, healthy? Then there is nothing to do. */
  readonly runsRelease: (device: DeviceFacts) => boolean;
  /** What the device has to fetch, given what it runs; absent = the whole release. */
  readonly downloadBytesOf?: (device: DeviceFacts) => number;
  /** Where the release has a floor: the releases on the way to it. */
  readonly path?: PlannedPath;
  /** What one attempt takes without its soak; for the expected duration only. */
  readonly expectedAttemptMs: number;
}

/**
 * `inventory` in order of ordinal. The same arguments give the same plan. `isPlanted`: test-only
 * switches for planted bugs; false in production.
 */
export function planRollout(
  intent: PlanIntent,
  inventory: Iterable<DeviceFacts>,
  seed: string,
  isPlanted: (name: string) => boolean = () => false,
): Plan {
  const draft = new PlanDraft(intent, seed);
  for (const device of inventory) draft.add(device);
  return draft.finish(isPlanted);
}

/**
 * A plan in the making: devices are added in order of ordinal, as an inventory is read, and only
 * what the plan needs of each is kept, in packed columns: of a million devices about 40 MB.
 */
export class PlanDraft {
  private readonly intent: PlanIntent;
  private readonly excluded = new Map<ExclusionReason, { count: number; sample: string[] }>();
  private readonly ordinals = new NumberColumn(Uint32Array);
  private readonly ids = new PackedTexts();
  private readonly sites = new NameColumn();
  private readonly places = new NumberColumn(Float64Array);
  private readonly placeOf: (id: string) => number;
  /** With caps of the bandwidth: what each device fetches, and where. */
  private readonly bytes = new NumberColumn(Float64Array);
  private readonly regions = new NameColumn();
  /** 1: critical, and those come last. */
  private readonly last = new NumberColumn(Uint8Array);
  /** With windows: in whose time each device's begin, as an index of `zoneKinds`. */
  private readonly zones = new NumberColumn(Uint16Array);
  private readonly zoneKinds: DeviceZone[] = [];
  private readonly zoneIndexes = new Map<string, number>();
  /** Where the release has a floor: index of the release with which each begins. */
  private readonly firsts = new NumberColumn(Uint16Array);
  private readonly startCounter = new StartCounter(SAMPLE_SIZE);
  /** null: each is on its own. */
  private readonly groups: GroupOrder | null;
  private downloadBytes = 0;

  constructor(intent: PlanIntent, seed: string) {
    this.intent = intent;
    this.placeOf = hasherOf(seed);
    const { together } = intent.spec;
    this.groups = together === "" ? null : new GroupOrder(together, this.placeOf);
  }

  /** False: the plan leaves it out. */
  add(device: DeviceFacts): boolean {
    const { intent } = this;
    if (!intent.selects(device)) return false;
    const reason = exclusionOf(device, intent);
    if (reason !== null) {
      this.exclude(reason, device.id);
      return false;
    }
    const { ordinal, id, site } = device;
    this.ids.set(this.ordinals.length, id);
    this.ordinals.push(ordinal);
    this.sites.push(site);
    this.places.push(this.placeOf(id));
    const last = device.critical && intent.spec.order === "critical-last" ? 1 : 0;
    this.last.push(last);
    this.groups?.add(device, last);
    const downloadBytes = this.beginOnPath(device);
    this.downloadBytes += downloadBytes;
    if (hasBandwidth(intent.spec.bandwidth)) {
      this.bytes.push(downloadBytes);
      this.regions.push(device.region);
    }
    if (hasWindows(intent.spec.windows)) this.zones.push(this.zoneIndexFor(device));
    return true;
  }

  /** Answers what the device has to fetch on its way. */
  private beginOnPath(device: DeviceFacts): number {
    const { path, downloadBytesOf, release } = this.intent;
    const start = placeOn(path, device);
    assert(typeof start === "number", "a device without a path is left out");
    const bytes = path === undefined ? null : bytesFrom(path, start);
    if (path !== undefined) {
      this.firsts.push(start);
      this.startCounter.add(start, device.id);
    }
    return bytes ?? downloadBytesOf?.(device) ?? release.downloadBytes;
  }

  private zoneIndexFor(device: DeviceFacts): number {
    const zone = zoneOf(this.intent.spec.windows, device);
    const key = `${zone.name} ${String(zone.isAssumed)}`;
    let index = this.zoneIndexes.get(key);
    if (index === undefined) {
      index = this.zoneKinds.push(zone) - 1;
      this.zoneIndexes.set(key, index);
    }
    return index;
  }

  private exclude(reason: ExclusionReason, id: string): void {
    const entry = this.excluded.get(reason) ?? { count: 0, sample: [] };
    entry.count++;
    if (entry.sample.length < SAMPLE_SIZE) entry.sample.push(id);
    this.excluded.set(reason, entry);
  }

  /** Devices were added in order of ordinal, so the index breaks ties. */
  private orderOf(groups: GroupOrder | null): Uint32Array {
    const { last, places } = this;
    const byPlace = orderByPlace(
      places.length,
      (index) => places.at(index),
      // The last of a group are with their group.
      (index) => (groups === null ? last.at(index) : 0),
    );
    return groups === null ? byPlace : byPlace.sort((a, b) => groups.compare(a, b));
  }

  finish(isPlanted: (name: string) => boolean = () => false): Plan {
    const { groups, intent, last } = this;
    const order = this.orderOf(groups);
    const isSameGroup = (index: number, position: number): number =>
      position > 0 && groups?.compare(order[position - 1] ?? 0, index) === 0 ? 1 : 0;
    const together = groups === null ? NOBODY : Uint8Array.from(order, isSameGroup);
    const total = order.length;
    const border = order.findIndex((index) => groups?.isLast(index) ?? last.at(index) === 1);
    const deviceIds = new PlacedIds(this.ids, order);
    const placed = { deviceIds, sites: this.sites.inOrder(order) };
    const limits = freezeLimits(intent.spec, total, isPlanted);
    const transfers: PlannedTransfers = {
      bytesAt: (position) => this.bytes.at(order[position] ?? 0),
      siteAt: (position) => placedName(placed.sites, position),
      regionAt: (position) => this.regions.at(order[position] ?? 0),
    };
    const { starts } = this.startCounter;
    const stepCount = (intent.path?.chain.length ?? 1) - (starts[0]?.start ?? 0);
    const waves = planWaves(
      { ...intent, stepCount },
      { ...placed, transfers, together },
      border === -1 ? total : border,
      limits,
    );
    const hasZones = hasWindows(intent.spec.windows);
    return {
      ...placed,
      order,
      zones: hasZones ? planZones(this.zoneKinds, this.zones.inOrder(order)) : null,
      ordinals: this.ordinals.inOrder(order),
      together,
      targets: this.firsts.inOrder(order),
      starts,
      waves,
      exclusions: [...this.excluded].map(([reason, entry]) => ({
        reason,
        deviceCount: entry.count,
        sample: entry.sample,
      })),
      limits,
      downloadBytes: this.downloadBytes,
      transferBytes: hasBandwidth(intent.spec.bandwidth)
        ? this.bytes.inOrder(order)
        : new Float64Array(0),
      expectedDurationMs: waves.at(-1)?.endMs ?? 0,
    };
  }
}

/** Why a device that the selector names is left out; null = it is not. */
export function exclusionOf(
  device: DeviceFacts,
  intent: {
    readonly release: Pick<PlannedRelease, "fits">;
    readonly runsRelease: (device: DeviceFacts) => boolean;
    readonly path?: PlannedPath;
  },
): ExclusionReason | null {
  if (device.retired) return "retired";
  const misfit = misfitOf(device, intent.release.fits);
  if (misfit !== null) return misfit;
  if (intent.runsRelease(device)) return "already-running";
  const start = placeOn(intent.path, device);
  if (typeof start === "string") return start;
  for (const { fits } of intent.path?.chain.slice(start) ?? []) {
    const onTheWay = misfitOf(device, fits);
    if (onTheWay !== null) return onTheWay;
  }
  return null;
}

function misfitOf(device: DeviceFacts, fits: PlannedRelease["fits"]): ExclusionReason | null {
  for (const [fact, values] of Object.entries(fits)) {
    if (!Object.hasOwn(device.inventory, fact)) return "fit-unknown";
    if (!values.includes(device.inventory[fact] ?? "")) return "does-not-fit";
  }
  return null;
}

/** `stepCount`: of the longest path in the plan; each wave is expected to have such a device. */
function planWaves(
  intent: PlanIntent & { readonly stepCount: number },
  placed: Pick<Plan, "deviceIds" | "sites" | "together"> & { readonly transfers: PlannedTransfers },
  border: number,
  limits: PlanLimits,
): PlannedWave[] {
  const { spec, expectedAttemptMs, stepCount } = intent;
  const { deviceIds, sites, transfers, together } = placed;
  const cut = cutWaves(spec, deviceIds.length, border);
  const waves = alignWaves(cut, (position) => together[position] === 1);
  const attemptMs = stepCount * (expectedAttemptMs + spec.soakMs);
  const times = expectTimes(waves, limits, sites, attemptMs, (wave) =>
    transferTimes(spec.bandwidth, transfers, wave),
  );
  return waves.map(({ start, end }, index) => ({
    start,
    end,
    startMs: times[index]?.startMs ?? 0,
    endMs: times[index]?.endMs ?? 0,
    sample: deviceIds.slice(start, Math.min(end, start + SAMPLE_SIZE)),
  }));
}

/** Percentages become numbers of devices once, at plan time. */
export function freezeLimits(
  spec: RolloutSpec,
  total: number,
  isPlanted: (name: string) => boolean = () => false,
): PlanLimits {
  // The planted bug: as a wave's size does, the limit rounds up.
  const round = isPlanted("planner.rounds-up") ? sizeOf : limitOf;
  const blastRadius = Math.min(round(spec.blastRadius, total), total);
  // More in flight than may be unproven could never be used.
  const maxInFlight = Math.min(round(spec.maxInFlight, total), Math.max(blastRadius, 1));
  const maxFailures = Math.max(1, round(spec.gate.maxFailures, total));
  return {
    blastRadius,
    maxInFlight,
    maxFailures,
    maxFailureRatePercent: spec.gate.maxFailureRatePercent || rateOf(maxFailures, total),
    window: freezeWindow(spec.strategy, total, maxInFlight),
    maxInFlightPerGateway: spec.maxInFlightPerGateway,
    maxInFlightPerSite: spec.maxInFlightPerSite,
  };
}

/** Where no rate is named, the one that the limit of failures allows; under 1 % says little. */
function rateOf(maxFailures: number, total: number): number {
  return Math.min(100, Math.max(1, (100 * maxFailures) / Math.max(total, 1)));
}
