// SPDX-License-Identifier: Apache-2.0
/**
 * Slices of a plan: its devices by a fact (region, hardware revision, what they ran before), so
 * that a release that fails on one kind of device is found there, where its failures are not
 * thinned out by all the others. And its sites: devices of one site tend to fail together, so
 * failures are counted by site beside by device.
 *
 * Kept as packed columns by position, one byte a fact and four for the site; no object a device.
 */
import type { DeviceFacts } from "./device.ts";
import { MusterError } from "./errors.ts";
import { NO_PLACE } from "./place-loads.ts";
import { NameColumn, type PlacedNames } from "./plan-places.ts";

/** One more halves nobody's work, and each costs a byte a device and a look at each report. */
export const MAX_SLICED_FACTS = 4;
/**
 * Over all facts. Slices share the false-alarm rate: among 64 each has a sixty-fifth of it, and
 * needs about four nats more evidence than one alone. A site remembers its slices in 64 bits.
 */
export const MAX_SLICES = 64;

export interface Slice {
  /** As in a sentence: `region eu`, `label.ring not stated`, `label.ring: any other`. */
  readonly name: string;
  readonly deviceCount: number;
  /** Sites that have such a device. */
  readonly siteCount: number;
}

export interface SlicedPlan {
  readonly slices: readonly Slice[];
  /** One a fact that tells devices apart: index into `slices` by position. */
  readonly columns: readonly Uint8Array[];
  /** Index of the site by position; a device without one is a site of its own. */
  readonly sites: Uint32Array;
  readonly siteCount: number;
}

/** Nothing to tell apart: one site, no slice. */
export const UNSLICED: SlicedPlan = {
  slices: [],
  columns: [],
  sites: new Uint32Array(0),
  siteCount: 0,
};

/** In a column: a device that joined later, and is of no slice that the plan has. */
export const NO_SLICE = 255;

/** A device that joins. */
export interface SlicedJoiner {
  /** `siteKey`. */
  readonly site: number;
  /** By column of the plan. */
  readonly slices: readonly number[];
}

/** With more devices; `keys`: `siteKey` by position before them. Nothing told apart stays so. */
export function extendSlices(
  plan: SlicedPlan,
  keys: ArrayLike<number>,
  joiners: readonly SlicedJoiner[],
): SlicedPlan {
  if (plan.siteCount === 0) return plan;
  const start = plan.sites.length;
  const sites = new Uint32Array(start + joiners.length);
  sites.set(plan.sites);
  const known = knownSites(plan, keys, joiners);
  let { siteCount } = plan;
  for (const [index, { site: key }] of joiners.entries()) {
    const site = known.get(key) ?? siteCount++;
    // Whoever has no site is a site of its own.
    if (key !== NO_PLACE) known.set(key, site);
    sites[start + index] = site;
  }
  const more = plan.slices.map(() => 0);
  const columns = plan.columns.map((column, fact) => {
    const longer = new Uint8Array(start + joiners.length);
    longer.set(column);
    for (const [index, { slices }] of joiners.entries()) {
      const slice = slices[fact] ?? NO_SLICE;
      longer[start + index] = slice;
      if (slice !== NO_SLICE) more[slice] = (more[slice] ?? 0) + 1;
    }
    return longer;
  });
  return { slices: growSlices(plan.slices, more), columns, sites, siteCount };
}

/** The sites of joiners that somebody stood at before: index by `siteKey`. */
function knownSites(
  plan: SlicedPlan,
  keys: ArrayLike<number>,
  joiners: readonly SlicedJoiner[],
): Map<number, number> {
  const wanted = new Set(joiners.map(({ site }) => site));
  wanted.delete(NO_PLACE);
  const known = new Map<number, number>();
  for (let position = 0; position < plan.sites.length && wanted.size > 0; position++) {
    const key = keys[position] ?? NO_PLACE;
    if (wanted.delete(key)) known.set(key, plan.sites[position] ?? 0);
  }
  return known;
}

/** `more`: devices that joined, by slice. */
export function growSlices(slices: readonly Slice[], more: readonly number[]): Slice[] {
  return slices.map((slice, index) => {
    const joined = more[index] ?? 0;
    const { deviceCount, siteCount } = slice;
    // More sites than it has, perhaps, and never fewer: the thresholds stay on the safe side.
    return { ...slice, deviceCount: deviceCount + joined, siteCount: siteCount + joined };
  });
}

/** A fact by which devices may be sliced. */
export interface SliceFact {
  readonly name: string;
  readonly read: (device: DeviceFacts) => string | undefined;
}

const PLAIN_FACTS = ["region", "serviceLevel"] as const;
const NAMED_FACT = /^(label|inventory)\.([A-Za-z0-9._-]{1,63})$/;
const PREVIOUS_RELEASE = "previousRelease";

/** Throws `invalid_argument` naming `field` when there is no such fact. */
export function sliceFact(
  name: string,
  previousRelease: (device: DeviceFacts) => string | undefined,
  field = "spec.gate.slices",
): SliceFact {
  const plain = PLAIN_FACTS.find((fact) => fact === name);
  if (plain !== undefined) return { name, read: (device) => device[plain] || undefined };
  if (name === "critical") return { name, read: (device) => String(device.critical) };
  if (name === PREVIOUS_RELEASE) return { name, read: previousRelease };
  const [, of, key] = NAMED_FACT.exec(name) ?? [];
  if (of === undefined || key === undefined) throw noSuchFact(name, field);
  return {
    name,
    read: ({ labels, inventory }) => {
      const facts = of === "label" ? labels : inventory;
      return Object.hasOwn(facts, key) ? facts[key] : undefined;
    },
  };
}

function noSuchFact(name: string, field: string): MusterError {
  const hint =
    name === "site"
      ? "sites are counted beside devices in any case"
      : "facts are region, serviceLevel, critical, previousRelease, label.NAME, inventory.NAME";
  return new MusterError({
    code: "invalid_argument",
    message: `${JSON.stringify(name)} is no fact that devices are sliced by`,
    detail: { field, hint },
  });
}

/** `devices` in order of position. */
export function slicePlan(
  devices: readonly DeviceFacts[],
  facts: readonly SliceFact[],
): SlicedPlan {
  const draft = new SliceDraft(facts);
  for (const device of devices) draft.add(device);
  return draft.finish(Uint32Array.from(devices, (_, index) => index));
}

/** In the making: of each device that is added only its site and its facts are kept, as indexes. */
export class SliceDraft {
  private readonly facts: readonly { readonly fact: SliceFact; readonly names: NameColumn }[];
  /** Region and site; "" = none. */
  private readonly places = new NameColumn();

  constructor(facts: readonly SliceFact[]) {
    this.facts = facts.map((fact) => ({ fact, names: new NameColumn() }));
  }

  add(device: DeviceFacts): void {
    this.places.push(device.site === "" ? "" : `${device.region}\n${device.site}`);
    for (const { fact, names } of this.facts) names.push(nameIn(fact, device));
  }

  /** `order`: by position, the how manieth of those that were added. */
  finish(order: Uint32Array): SlicedPlan {
    const { sites, siteCount } = siteIndexes(this.places.inOrder(order));
    const slices: Slice[] = [];
    const columns: Uint8Array[] = [];
    const perFact = Math.floor(MAX_SLICES / Math.max(this.facts.length, 1));
    for (const { fact, names } of this.facts) {
      const placed = names.inOrder(order);
      const kept = frequent(placed, perFact, restOf(fact));
      // All alike: the slice would be the plan, and cost its tests a share for nothing.
      if (kept.size < 2) continue;
      const sliceOf = Uint8Array.from(
        placed.names,
        (name) => slices.length + (kept.get(name) ?? kept.size - 1),
      );
      const column = Uint8Array.from(placed.byPosition, (name) => sliceOf[name] ?? NO_SLICE);
      slices.push(...countSlices([...kept.keys()], column, slices.length, sites));
      columns.push(column);
    }
    if (slices.length === 0 && siteCount < 2) return UNSLICED;
    return { slices, columns, sites, siteCount };
  }
}

/** By column of the plan: the slice of a device that joins; NO_SLICE where it has none of it. */
export function slicesOf(
  plan: Pick<SlicedPlan, "slices">,
  device: DeviceFacts,
  facts: readonly SliceFact[],
): number[] {
  const indexOf = (name: string): number => plan.slices.findIndex((slice) => slice.name === name);
  const isOf = ({ name }: Slice, fact: SliceFact): boolean =>
    name.startsWith(`${fact.name} `) || name === restOf(fact);
  return facts
    .filter((fact) => plan.slices.some((slice) => isOf(slice, fact)))
    .map((fact) => {
      const own = indexOf(nameIn(fact, device));
      const index = own === -1 ? indexOf(restOf(fact)) : own;
      return index === -1 ? NO_SLICE : index;
    });
}

function restOf(fact: SliceFact): string {
  return `${fact.name}: any other`;
}

function nameIn(fact: SliceFact, device: DeviceFacts): string {
  const value = fact.read(device);
  return value === undefined ? `${fact.name} not stated` : `${fact.name} ${value}`;
}

/** The most frequent names, each with its index; when there are more, `rest` is the last. */
function frequent(
  { names, byPosition }: PlacedNames,
  limit: number,
  rest: string,
): Map<string, number> {
  const counts = new Uint32Array(names.length);
  for (const name of byPosition) counts[name] = (counts[name] ?? 0) + 1;
  const ordered = names
    .map((name, index) => [name, counts[index] ?? 0] as const)
    .sort(([a, x], [b, y]) => y - x || (a < b ? -1 : 1));
  const kept = ordered.length <= limit ? ordered : ordered.slice(0, limit - 1);
  const indexes = new Map(kept.map(([name], index) => [name, index]));
  if (ordered.length > limit) indexes.set(rest, kept.length);
  return indexes;
}

function countSlices(
  names: readonly string[],
  column: Uint8Array,
  first: number,
  sites: Uint32Array,
): Slice[] {
  const siteSets = names.map(() => new Set<number>());
  const deviceCounts = names.map(() => 0);
  column.forEach((slice, position) => {
    deviceCounts[slice - first] = (deviceCounts[slice - first] ?? 0) + 1;
    siteSets[slice - first]?.add(sites[position] ?? 0);
  });
  return names.map((name, index) => ({
    name,
    deviceCount: deviceCounts[index] ?? 0,
    siteCount: siteSets[index]?.size ?? 0,
  }));
}

/** Numbered in the order of their first positions; a device without a site is one of its own. */
function siteIndexes({ names, byPosition }: PlacedNames): {
  sites: Uint32Array;
  siteCount: number;
} {
  /** By index of the name, plus 1; 0 = not met yet. */
  const known = new Uint32Array(names.length);
  let siteCount = 0;
  const sites = byPosition.map((name) => {
    if (names[name] === "") return siteCount++;
    const met = known[name] ?? 0;
    if (met > 0) return met - 1;
    known[name] = siteCount + 1;
    return siteCount++;
  });
  return { sites, siteCount };
}
