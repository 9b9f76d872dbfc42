// SPDX-License-Identifier: Apache-2.0
/**
 * Looks for devices that open rollouts name only since their plans were frozen: registered or
 * relabelled. A device whose time zone is none of the plan's stays out, and that is recorded: the
 * plan's windows were reviewed without it.
 */
import { waveOfJoiners } from "../../domain/membership.ts";
import { siteKey } from "../../domain/place-loads.ts";
import { placeOn } from "../../domain/version-path.ts";
import { zoneIndexOf } from "../../domain/plan-zones.ts";
import { exclusionOf } from "../../domain/planner.ts";
import { sliceFact, slicesOf } from "../../domain/slices.ts";
import type { StoredDevice } from "../../ports/store.ts";
import { factsOf } from "../devices/device-record.ts";
import type { OpenRollout } from "../rollouts/open-rollout.ts";
import { previousReleases, type PlanSlicesOptions } from "../rollouts/plan-slices.ts";
import { asPlanned, findSubject } from "../rollouts/planned-subject.ts";
import type { Joiner } from "../rollouts/planned-devices.ts";
import { plannedPath } from "../rollouts/running-version.ts";
import {
  BATCH,
  SelectionWatch,
  type Followed,
  type SelectionWatchOptions,
} from "./selection-watch.ts";

export class JoinerWatch extends SelectionWatch {
  protected readonly what = "devices that join a rollout";
  private readonly plan: PlanSlicesOptions;

  constructor(options: SelectionWatchOptions & PlanSlicesOptions) {
    super(options);
    this.plan = options;
  }

  protected concerns({ record, frame }: OpenRollout): boolean {
    return waveOfJoiners(record.spec.joiners, record.progress, frame.waveTotal) !== null;
  }

  protected async lookAt(
    rollout: OpenRollout,
    followed: Followed,
    changed: readonly number[],
    signal: AbortSignal,
  ): Promise<void> {
    const { tenant, number } = rollout.record;
    const devices = [
      ...(await this.strangersIn(rollout, changed, signal)),
      ...(await this.nextBatch(tenant, followed, signal)),
    ];
    const joiners = new Map<number, Joiner>();
    const strangers: number[] = [];
    for (const device of devices) {
      if (device.tenant !== tenant || rollout.positionOf(device.ordinal) >= 0) continue;
      const joiner = this.joinerOf(rollout, followed, device);
      if (joiner === null) continue;
      if (joiner.zone !== -1) joiners.set(joiner.ordinal, joiner);
      else if (!followed.told.has(joiner.ordinal)) {
        followed.told.add(joiner.ordinal);
        strangers.push(joiner.ordinal);
      }
    }
    if (joiners.size + strangers.length === 0) return;
    const item = { rollout: number, joiners: [...joiners.values()], strangers };
    this.inbox.put({ kind: "joiners", ...item });
  }

  private async strangersIn(
    rollout: OpenRollout,
    changed: readonly number[],
    signal: AbortSignal,
  ): Promise<StoredDevice[]> {
    const ordinals = [...new Set(changed)].filter((ordinal) => rollout.positionOf(ordinal) < 0);
    if (ordinals.length === 0) return [];
    const devices = await this.store.getDevicesByOrdinal(ordinals, { signal });
    return devices.filter((device) => device !== null);
  }

  /** In the order of ordinals. */
  private async nextBatch(
    tenant: string,
    followed: Followed,
    signal: AbortSignal,
  ): Promise<readonly StoredDevice[]> {
    const { nextOfAll: afterOrdinal } = followed;
    if (afterOrdinal === Number.POSITIVE_INFINITY) return [];
    const page = await this.store.listDevices({ tenant, afterOrdinal, limit: BATCH, signal });
    const last = page.at(-1);
    followed.nextOfAll =
      last === undefined || page.length < BATCH ? Number.POSITIVE_INFINITY : last.ordinal;
    return page;
  }

  /**
   * null: it is not named, or left out like others when a plan is made. Zone −1: none of it.
   */
  private joinerOf(
    { record, plan, slotIndex }: OpenRollout,
    followed: Followed,
    device: StoredDevice,
  ): Joiner | null {
    const facts = factsOf(device);
    if (!followed.selects(facts)) return null;
    const { releases, running, digests } = this.plan;
    const release = asPlanned(releases, findSubject(releases, record), plan);
    const runsRelease = (): boolean => {
      const runs = running().get(facts.ordinal, slotIndex);
      const isKnown = release.digest !== null && runs.known && runs.healthy;
      return isKnown && digests().digestOf(runs.release) === release.digest;
    };
    const onPath = plannedPath(this.plan, record.tenant, release);
    if (exclusionOf(facts, { release, runsRelease, ...onPath }) !== null) return null;
    const target = placeOn(onPath?.path, facts);
    if (typeof target === "string") return null;
    const previous = previousReleases(this.plan, plan.slot);
    const sliced = record.spec.gate.slices.map((name) => sliceFact(name, previous));
    return {
      ordinal: facts.ordinal,
      site: siteKey(record.tenant, facts.site),
      zone: zoneIndexOf(record.spec.windows, plan.zones, facts),
      target,
      isLast: facts.critical && record.spec.order === "critical-last",
      slices: slicesOf(plan, facts, sliced),
    };
  }
}
