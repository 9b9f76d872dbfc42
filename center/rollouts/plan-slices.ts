// SPDX-License-Identifier: Apache-2.0
/** By what a new plan tells its devices apart: the facts that its gate names, and their sites. */
import { assert } from "../../domain/assert.ts";
import type { DeviceFacts } from "../../domain/device.ts";
import { SLOT_NAMES, type SlotName } from "../../domain/running-page.ts";
import { sliceFact, slicePlan, type SlicedPlan } from "../../domain/slices.ts";
import type { ReleaseIndex } from "../releases/release-index.ts";
import type { DigestDictionary } from "../state/digest-dictionary.ts";
import type { RunningTable } from "../state/running-table.ts";

export interface PlanSlicesOptions {
  readonly releases: ReleaseIndex;
  readonly running: () => RunningTable;
  readonly digests: () => DigestDictionary;
}

/** Characters of a digest that stand for a release which was never published here. */
const DIGEST_CHARACTERS = 12;

/**
 * What slicing needs of the devices that a selector chose. Where no fact is named only their places
 * count, and one device stands for all of its place: of a million no million facts are kept.
 */
export class SlicedInventory {
  private readonly namesFacts: boolean;
  private readonly devices: DeviceFacts[] = [];
  /** By ordinal: index plus 1; 0 = was not added. */
  private indexes: Uint32Array = new Uint32Array(1_024);
  private readonly byPlace = new Map<string, DeviceFacts>();

  constructor(names: readonly string[]) {
    this.namesFacts = names.length > 0;
  }

  add(device: DeviceFacts): void {
    this.devices.push(this.namesFacts ? device : this.standIn(device));
    if (device.ordinal >= this.indexes.length) {
      const larger = new Uint32Array(Math.max(device.ordinal + 1, this.indexes.length * 2));
      larger.set(this.indexes);
      this.indexes = larger;
    }
    this.indexes[device.ordinal] = this.devices.length;
  }

  /** Asserts that it was added. */
  at(ordinal: number): DeviceFacts {
    const device = this.devices[(this.indexes[ordinal] ?? 0) - 1];
    assert(device !== undefined, "a planned device is of the inventory");
    return device;
  }

  private standIn(device: DeviceFacts): DeviceFacts {
    const place = `${device.region}\n${device.site}`;
    const known = this.byPlace.get(place);
    if (known !== undefined) return known;
    this.byPlace.set(place, device);
    return device;
  }
}

/** All devices of the plan are in the inventory. */
export function sliceNewPlan(
  options: PlanSlicesOptions,
  names: readonly string[],
  slot: SlotName,
  ordinals: Uint32Array,
  inventory: SlicedInventory,
): SlicedPlan {
  const planned = Array.from(ordinals, (ordinal) => inventory.at(ordinal));
  const previous = previousReleases(options, slot);
  return slicePlan(
    planned,
    names.map((name) => sliceFact(name, previous)),
  );
}

/** What a device runs at plan time: what it will have run before. */
export function previousReleases(
  options: PlanSlicesOptions,
  slot: SlotName,
): (device: DeviceFacts) => string | undefined {
  const slotIndex = SLOT_NAMES.indexOf(slot);
  const running = options.running();
  const digests = options.digests();
  return ({ ordinal }) => {
    const runs = running.get(ordinal, slotIndex);
    if (!runs.known) return undefined;
    if (runs.release === 0) return "nothing";
    const digest = digests.digestOf(runs.release);
    const release = options.releases.byManifestDigest(digest);
    return release === undefined
      ? digest.slice(0, DIGEST_CHARACTERS)
      : `${release.name}@${release.version}`;
  };
}
