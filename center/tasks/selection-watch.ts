// SPDX-License-Identifier: Apache-2.0
/**
 * Follows who matches the selectors of open rollouts since their plans were frozen. Takes no input
 * and is idempotent: it looks at devices that changed and, of a rollout that was planned before
 * this center started, once at everybody, a thousand at a time. What it finds goes to the rollout
 * loop, which decides.
 */
import { toMusterError } from "../../domain/errors.ts";
import { compileSelector, type DevicePredicate } from "../../domain/selector/matches.ts";
import { parseSelector } from "../../domain/selector/parser.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Store } from "../../ports/store.ts";
import type { DeviceChanges } from "../devices/device-changes.ts";
import type { LoopInbox } from "../rollouts/loop-inbox.ts";
import type { OpenRollout } from "../rollouts/open-rollout.ts";

const LOOK_MS = 1_000;
/** Devices read at once. */
export const BATCH = 1_000;

export interface SelectionWatchOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly changes: DeviceChanges;
  readonly openRollouts: () => Iterable<OpenRollout>;
  readonly inbox: Pick<LoopInbox, "put">;
}

/** How far a watch has come in one rollout. */
export interface Followed {
  readonly selects: DevicePredicate;
  /** Of the changes, the first that was not looked at. */
  nextChange: number;
  /** From where on everybody is looked at once, as the watch counts; Infinity = that is done. */
  nextOfAll: number;
  /** Ordinals of which was told once, for good. */
  readonly told: Set<number>;
}

export abstract class SelectionWatch {
  protected readonly store: Store;
  protected readonly inbox: Pick<LoopInbox, "put">;
  /** What it looks for, in the log. */
  protected abstract readonly what: string;
  private readonly options: SelectionWatchOptions;
  private readonly followed = new Map<number, Followed>();
  private readonly startedAtMs: number;

  constructor(options: SelectionWatchOptions) {
    this.options = options;
    this.store = options.store;
    this.inbox = options.inbox;
    this.startedAtMs = options.clock.wallMs();
  }

  /** False: whatever changes, it changes nothing in this rollout now. */
  protected abstract concerns(rollout: OpenRollout): boolean;

  /** `changed`: ordinals, as often as they changed; and the next of everybody are due, if any. */
  protected abstract lookAt(
    rollout: OpenRollout,
    followed: Followed,
    changed: readonly number[],
    signal: AbortSignal,
  ): Promise<void>;

  /** One look at every open rollout; at most two batches of devices each. */
  async look(signal: AbortSignal): Promise<void> {
    const open = Array.from(this.options.openRollouts());
    const numbers = new Set(open.map(({ record }) => record.number));
    for (const number of this.followed.keys()) {
      if (!numbers.has(number)) this.followed.delete(number);
    }
    for (const rollout of open) {
      if (!this.concerns(rollout)) continue;
      const followed = this.follow(rollout);
      await this.lookAt(rollout, followed, this.changedSince(followed), signal);
    }
  }

  /** Runs until the signal aborts; resolves then. */
  async run({ logger, signal }: { logger: Logger; signal: AbortSignal }): Promise<void> {
    while (!signal.aborted) {
      await this.look(signal).catch((cause: unknown) => {
        if (signal.aborted) return;
        const error = toMusterError(cause, `looking for ${this.what}`);
        logger.error(`${this.what} could not be looked for`, { error });
      });
      await delay(this.options.clock, LOOK_MS, signal).catch(() => undefined); // the loop ends
    }
  }

  /** Where too many changed to be remembered, everybody is looked at again. */
  private changedSince(followed: Followed): readonly number[] {
    const { changes } = this.options;
    const changed = changes.since(followed.nextChange, BATCH);
    if (changed === null) {
      followed.nextChange = changes.end;
      followed.nextOfAll = 0;
      return [];
    }
    followed.nextChange += changed.length;
    return changed;
  }

  /** Whoever changed between a plan and the start of this center changed while nobody looked. */
  private follow({ record, plan }: OpenRollout): Followed {
    let followed = this.followed.get(record.number);
    if (followed === undefined) {
      followed = {
        selects: compileSelector(parseSelector(record.spec.selector)),
        nextChange: 0,
        nextOfAll: plan.plannedAtMs < this.startedAtMs ? 0 : Number.POSITIVE_INFINITY,
        told: new Set(),
      };
      this.followed.set(record.number, followed);
    }
    return followed;
  }
}
