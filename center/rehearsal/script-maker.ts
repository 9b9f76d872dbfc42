// SPDX-License-Identifier: Apache-2.0
/**
 * Writes the script of a rehearsal: the plan that would be frozen now, what each device of it runs,
 * and how this fleet was seen to behave. Reads only; nothing of it is kept.
 */
import {
  availabilityCell,
  completeWeek,
  decodeAvailabilityPage,
  HOUR_BYTES,
  type AvailabilityPage,
} from "../../domain/availability-page.ts";
import { hasBandwidth } from "../../domain/bandwidth.ts";
import { countOf } from "../../domain/units.ts";
import { SLOT_NAMES } from "../../domain/running-page.ts";
import type { DevicePredicate } from "../../domain/selector/matches.ts";
import { factsOf } from "../devices/device-record.ts";
import type { PageId, Store } from "../../ports/store.ts";
import { draftPlan, plannedRecord, type PlanMakerOptions } from "../rollouts/plan-maker.ts";
import { encodePlanPages, targetIn } from "../rollouts/plan-pages.ts";
import { encodeSlicePages } from "../rollouts/slice-pages.ts";
import { rolloutKey, toJson, type RolloutRecord } from "../rollouts/rollout-record.ts";
import type { FleetTable } from "../state/fleet-table.ts";
import { AVAILABILITY_OWNER } from "../tasks/availability-recorder.ts";
import type { FleetModel, RehearsalScript } from "./rehearsal.ts";
import { learnWorkTimes } from "./work-times.ts";

export interface ScriptMakerOptions extends PlanMakerOptions {
  readonly fleet: FleetTable;
  readonly offerLifetimeMs: number;
  readonly leaseLifetimeMs: number;
}

const LOADED_PAGES = 64;
const INVENTORY_PAGE = 10_000;

/** Throws what planning throws. */
export async function makeScript(
  options: ScriptMakerOptions,
  record: RolloutRecord,
  /** Whom the release may break. */
  isFragile: DevicePredicate,
  signal: AbortSignal,
): Promise<RehearsalScript> {
  const { clock, offerLifetimeMs, leaseLifetimeMs } = options;
  const { frozen, columns, sliced, transferBytes } = await draftPlan(options, record, signal);
  const { ordinals, sites, targets } = columns;
  const { tenant, name, number, spec } = record;
  const key = rolloutKey(tenant, name);
  const planned = unasked(plannedRecord(record));
  const slot = SLOT_NAMES.indexOf(frozen.slot);
  const running = options.running();
  const dictionary = options.digests();
  const seen = { tenant, release: spec.release, slot: frozen.slot };
  const hasCaps = hasBandwidth(spec.bandwidth);
  const indexes = new Map<number, number>();
  const runs = Uint16Array.from(ordinals, (ordinal) => {
    const { release } = running.get(ordinal, slot);
    const index = indexes.get(release) ?? indexes.size;
    indexes.set(release, index);
    return index;
  });
  return {
    documents: [
      { kind: "rollout", key, expectedRevision: 0, value: toJson(planned) },
      { kind: "plan", key, expectedRevision: 0, value: toJson(frozen) },
    ],
    pages: [...encodePlanPages(number, columns), ...encodeSlicePages(number, sliced)],
    plan: frozen,
    tenant,
    name,
    rolloutNumber: number,
    ordinals,
    slot,
    runs,
    digests: Array.from(indexes.keys(), (release) => dictionary.digestOf(release)),
    model: {
      ...(await makeModel(options, { ...seen, hasCaps }, ordinals, signal)),
      sites,
      // On a version path the steps are taken one after the other.
      transferBytes: transferBytes.map((bytes, position) => {
        return bytes / (frozen.targets.length - targetIn(targets[position] ?? 0));
      }),
      fragile: await findFragile(options.store, tenant, ordinals, isFragile, signal),
    },
    startAtMs: clock.wallMs(),
    spec,
    offerLifetimeMs,
    leaseLifetimeMs,
  };
}

/** An analysis from outside says nothing of a rollout that only plays: it counts as success. */
function unasked(record: RolloutRecord): RolloutRecord {
  const { spec } = record;
  return { ...record, spec: { ...spec, gate: { ...spec.gate, analysis: null } } };
}

async function makeModel(
  options: ScriptMakerOptions,
  rollout: { tenant: string; release: string; slot: string; hasCaps: boolean },
  ordinals: Uint32Array,
  signal: AbortSignal,
): Promise<Omit<FleetModel, "fragile" | "sites" | "transferBytes">> {
  const { store, fleet } = options;
  const { workMs, workSource } = await learnWorkTimes(store, rollout, signal);
  const caps = rollout.hasCaps ? ", but downloads as the caps of the bandwidth allow" : "";
  const pages = await loadAvailability(store, ordinals, signal);
  const onlineHours = new Uint8Array(ordinals.length * HOUR_BYTES);
  let watchedCount = 0;
  ordinals.forEach((ordinal, position) => {
    const { page, cell } = availabilityCell(ordinal);
    const stored = pages.get(page);
    if (stored !== undefined) watchedCount++;
    const isOnlineNow = fleet.gatewayOf(ordinal) !== 0;
    onlineHours.set(completeWeek(stored, cell, isOnlineNow), position * HOUR_BYTES);
  });
  const total = countOf(ordinals.length, "device");
  const onlineSource =
    watchedCount === 0
      ? `who is online now, of ${total}: nobody was watched for an hour yet`
      : `the hours in which ${watchedCount} of ${total} were seen online`;
  const gateways = Uint16Array.from(ordinals, (ordinal) => fleet.gatewayOf(ordinal) || 1);
  return { workMs, workSource: workSource + caps, onlineHours, onlineSource, gateways };
}

/** A scan of the inventory, in the order of ordinals. */
async function findFragile(
  store: Store,
  tenant: string,
  ordinals: Uint32Array,
  isFragile: DevicePredicate,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const positions = new Map<number, number>();
  ordinals.forEach((ordinal, position) => positions.set(ordinal, position));
  const fragile = new Uint8Array(ordinals.length);
  for (let afterOrdinal = 0; ;) {
    const limit = INVENTORY_PAGE;
    const page = await store.listDevices({ tenant, afterOrdinal, limit, signal });
    for (const device of page) {
      const position = positions.get(device.ordinal);
      if (position !== undefined && isFragile(factsOf(device))) fragile[position] = 1;
    }
    afterOrdinal = page.at(-1)?.ordinal ?? afterOrdinal;
    if (page.length < limit) return fragile;
  }
}

async function loadAvailability(
  store: Store,
  ordinals: Uint32Array,
  signal: AbortSignal,
): Promise<Map<number, AvailabilityPage>> {
  const numbers = new Set<number>();
  for (const ordinal of ordinals) numbers.add(availabilityCell(ordinal).page);
  const ids = Array.from(numbers, (number): PageId => {
    return { kind: "availability", owner: AVAILABILITY_OWNER, number };
  });
  const pages = new Map<number, AvailabilityPage>();
  for (let first = 0; first < ids.length; first += LOADED_PAGES) {
    const part = ids.slice(first, first + LOADED_PAGES);
    for (const { number, bytes } of await store.loadPages(part, { signal })) {
      pages.set(number, decodeAvailabilityPage(number, bytes));
    }
  }
  return pages;
}
