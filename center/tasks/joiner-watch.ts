// SPDX-License-Identifier: Apache-2.0
/**
 * Looks for devices that open rollouts name only since their plans were frozen: registered or
 * relabelled. Takes no input and is idempotent: it looks at devices that changed and, of a rollout
 * that was planned before this center started, once at the whole inventory, a thousand at a time.
 * What it finds goes to the rollout loop, which decides. A device whose time zone is none of the
 * plan's stays out, and that is recorded: the plan's windows were reviewed without it.
 */
import { toMusterError } from "../../domain/errors.ts";
import { waveOfJoiners } from "../../domain/membership.ts";
import { siteKey } from "../../domain/place-loads.ts";
import { placeOn } from "../../domain/version-path.ts";
import { zoneIndexOf } from "../../domain/plan-zones.ts";
import { exclusionOf } from "../../domain/planner.ts";
import { compileSelector, type DevicePredicate } from "../../domain/selector/matches.ts";
import { parseSelector } from "../../domain/selector/parser.ts";
import { sliceFact, slicesOf } from "../../domain/slices.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Store, StoredDevice } from "../../ports/store.ts";
import type { DeviceChanges } from "../devices/device-changes.ts";
import { factsOf } from "../devices/device-record.ts";
import type { LoopInbox } from "../rollouts/loop-inbox.ts";
import type { OpenRollout } from "../rollouts/open-rollout.ts";
import { previousReleases, type PlanSlicesOptions } from "../rollouts/plan-slices.ts";
import { asPlanned, findSubject } from "../rollouts/planned-subject.ts";
import type { Joiner } from "../rollouts/planned-devices.ts";
import { plannedPath } from "../rollouts/running-version.ts";

const LOOK_MS = 1_000;
/** Devices read at once. */
const BATCH = 1_000;

interface Followed {
  readonly selects: DevicePredicate;
  /** Of the changes, the first that was not looked at. */
  nextChange: number;
  /** Ordinal after which everybody is looked at once; Infinity = that is done. */
  afterOrdinal: number;
  /** Told of once: in a time zone that the plan does not have. */
  readonly strangers: Set<number>;
}

export interface JoinerWatchOptions extends PlanSlicesOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly changes: DeviceChanges;
  readonly openRollouts: () => Iterable<OpenRollout>;
  readonly inbox: Pick<LoopInbox, "put">;
}

export class JoinerWatch {
  private readonly options: JoinerWatchOptions;
  private readonly followed = new Map<number, Followed>();
  private readonly startedAtMs: number;

  constructor(options: JoinerWatchOptions) {
    this.options = options;
    this.startedAtMs = options.clock.wallMs();
  }

  /** One look at every open rollout; at most two batches of devices each. */
  async look(signal: AbortSignal): Promise<void> {
    const open = Array.from(this.options.openRollouts());
    const numbers = new Set(open.map(({ record }) => record.number));
    for (const number of this.followed.keys())
      if (!numbers.has(number)) this.followed.delete(number);
    for (const rollout of open) {
      const { spec, progress } = rollout.record;
      const wave = waveOfJoiners(spec.joiners, progress, rollout.frame.waveTotal);
      if (wave !== null) await this.lookAt(rollout, signal);
    }
  }

  private async lookAt(rollout: OpenRollout, signal: AbortSignal): Promise<void> {
    const followed = this.follow(rollout);
    const { tenant, number } = rollout.record;
    const devices = [
      ...(await this.changed(rollout, followed, signal)),
      ...(await this.nextBatch(tenant, followed, signal)),
    ];
    const joiners = new Map<number, Joiner>();
    const strangers: number[] = [];
    for (const device of devices) {
      if (device.tenant !== tenant || rollout.positionOf(device.ordinal) >= 0) continue;
      const joiner = this.joinerOf(rollout, followed, device);
      if (joiner === null) continue;
      if (joiner.zone !== -1) joiners.set(joiner.ordinal, joiner);
      else if (!followed.strangers.has(joiner.ordinal)) {
        followed.strangers.add(joiner.ordinal);
        strangers.push(joiner.ordinal);
      }
    }
    if (joiners.size + strangers.length === 0) return;
    const item = { rollout: number, joiners: [...joiners.values()], strangers };
    this.options.inbox.put({ kind: "joiners", ...item });
  }

  private async changed(
    rollout: OpenRollout,
    followed: Followed,
    signal: AbortSignal,
  ): Promise<StoredDevice[]> {
    const { changes, store } = this.options;
    const changed = changes.since(followed.nextChange, BATCH);
    if (changed === null) {
      followed.nextChange = changes.end;
      followed.afterOrdinal = 0;
      return [];
    }
    followed.nextChange += changed.length;
    const strangers = [...new Set(changed)].filter((ordinal) => rollout.positionOf(ordinal) < 0);
    if (strangers.length === 0) return [];
    const devices = await store.getDevicesByOrdinal(strangers, { signal });
    return devices.filter((device) => device !== null);
  }

  private async nextBatch(
    tenant: string,
    followed: Followed,
    signal: AbortSignal,
  ): Promise<readonly StoredDevice[]> {
    const { afterOrdinal } = followed;
    if (afterOrdinal === Number.POSITIVE_INFINITY) return [];
    const { store } = this.options;
    const page = await store.listDevices({ tenant, afterOrdinal, limit: BATCH, signal });
    const last = page.at(-1);
    followed.afterOrdinal =
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
    const { releases, running, digests } = this.options;
    const release = asPlanned(releases, findSubject(releases, record), plan);
    const runsRelease = (): boolean => {
      const runs = running().get(facts.ordinal, slotIndex);
      const isKnown = release.digest !== null && runs.known && runs.healthy;
      return isKnown && digests().digestOf(runs.release) === release.digest;
    };
    const onPath = plannedPath(this.options, record.tenant, release);
    if (exclusionOf(facts, { release, runsRelease, ...onPath }) !== null) return null;
    const target = placeOn(onPath?.path, facts);
    if (typeof target === "string") return null;
    const previous = previousReleases(this.options, plan.slot);
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

  /** Whoever came between a plan and the start of this center came while nobody looked. */
  private follow({ record, plan }: OpenRollout): Followed {
    let followed = this.followed.get(record.number);
    if (followed === undefined) {
      followed = {
        selects: compileSelector(parseSelector(record.spec.selector)),
        nextChange: 0,
        strangers: new Set(),
        afterOrdinal: plan.plannedAtMs < this.startedAtMs ? 0 : Number.POSITIVE_INFINITY,
      };
      this.followed.set(record.number, followed);
    }
    return followed;
  }
}

/** Runs until the signal aborts; resolves then. */
export async function runJoinerWatch(
  options: JoinerWatchOptions & { logger: Logger; signal: AbortSignal },
): Promise<void> {
  const { clock, logger, signal } = options;
  const watch = new JoinerWatch(options);
  while (!signal.aborted) {
    await watch.look(signal).catch((cause: unknown) => {
      if (signal.aborted) return;
      const error = toMusterError(cause, "looking for devices that join");
      logger.error("devices that join a rollout could not be looked for", { error });
    });
    await delay(clock, LOOK_MS, signal).catch(() => undefined); // ended: the loop ends
  }
}
