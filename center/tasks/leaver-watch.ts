// SPDX-License-Identifier: Apache-2.0
/**
 * Looks for devices that left open rollouts before they were offered anything: their labels were
 * changed, or they were retired. Takes no input and is idempotent: it looks at devices that changed
 * and, of a rollout that was planned before this center started, once at everybody who waits, a
 * thousand at a time. What it finds goes to the rollout loop, which decides.
 */
import { toMusterError } from "../../domain/errors.ts";
import { mayLeave } from "../../domain/membership.ts";
import { ATTEMPT } from "../../domain/attempt.ts";
import { compileSelector, type DevicePredicate } from "../../domain/selector/matches.ts";
import { parseSelector } from "../../domain/selector/parser.ts";
import { delay, type Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Store } from "../../ports/store.ts";
import type { DeviceChanges } from "../devices/device-changes.ts";
import { factsOf } from "../devices/device-record.ts";
import type { LoopInbox } from "../rollouts/loop-inbox.ts";
import type { OpenRollout } from "../rollouts/open-rollout.ts";

const LOOK_MS = 1_000;
/** Devices read at once. */
const BATCH = 1_000;

interface Followed {
  readonly selects: DevicePredicate;
  /** Of the changes, the first that was not looked at. */
  nextChange: number;
  /** Position from which on everybody is looked at once; Infinity = that is done. */
  nextPosition: number;
}

export interface LeaverWatchOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly changes: DeviceChanges;
  readonly openRollouts: () => Iterable<OpenRollout>;
  readonly inbox: Pick<LoopInbox, "put">;
}

export class LeaverWatch {
  private readonly options: LeaverWatchOptions;
  private readonly followed = new Map<number, Followed>();
  private readonly startedAtMs: number;

  constructor(options: LeaverWatchOptions) {
    this.options = options;
    this.startedAtMs = options.clock.wallMs();
  }

  /** One look at every open rollout; at most a batch of devices each. */
  async look(signal: AbortSignal): Promise<void> {
    const open = Array.from(this.options.openRollouts());
    const numbers = new Set(open.map(({ record }) => record.number));
    for (const number of this.followed.keys())
      if (!numbers.has(number)) this.followed.delete(number);
    for (const rollout of open) {
      const { spec, progress } = rollout.record;
      if (mayLeave(spec.leavers, progress.state)) await this.lookAt(rollout, signal);
    }
  }

  private async lookAt(rollout: OpenRollout, signal: AbortSignal): Promise<void> {
    const followed = this.follow(rollout);
    const { changes, store, inbox } = this.options;
    const changed = changes.since(followed.nextChange, BATCH);
    if (changed === null) {
      followed.nextChange = changes.end;
      followed.nextPosition = 0;
    } else {
      followed.nextChange += changed.length;
    }
    const looked = [...(changed ?? []), ...nextBatch(rollout, followed)];
    const waiting = [...new Set(looked)].filter((ordinal) => isWaiting(rollout, ordinal));
    if (waiting.length === 0) return;
    const ordinals: number[] = [];
    for (let start = 0; start < waiting.length; start += BATCH) {
      const batch = waiting.slice(start, start + BATCH);
      for (const device of await store.getDevicesByOrdinal(batch, { signal })) {
        if (device === null) continue;
        const facts = factsOf(device);
        if (facts.retired || !followed.selects(facts)) ordinals.push(device.ordinal);
      }
    }
    if (ordinals.length === 0) return;
    inbox.put({ kind: "leavers", rollout: rollout.record.number, ordinals });
  }

  /** Whoever was planned before this center started may have left while nobody looked. */
  private follow({ record, plan }: OpenRollout): Followed {
    let followed = this.followed.get(record.number);
    if (followed === undefined) {
      followed = {
        selects: compileSelector(parseSelector(record.spec.selector)),
        nextChange: 0,
        nextPosition: plan.plannedAtMs < this.startedAtMs ? 0 : Infinity,
      };
      this.followed.set(record.number, followed);
    }
    return followed;
  }
}

function isWaiting(rollout: OpenRollout, ordinal: number): boolean {
  const position = rollout.positionOf(ordinal);
  return position >= 0 && rollout.stateAt(position) === ATTEMPT.pending;
}

function nextBatch(rollout: OpenRollout, followed: Followed): Uint32Array {
  const from = followed.nextPosition;
  const batch = rollout.ordinals.subarray(from, from + BATCH);
  followed.nextPosition = batch.length < BATCH ? Infinity : from + BATCH;
  return batch;
}

/** Runs until the signal aborts; resolves then. */
export async function runLeaverWatch(
  options: LeaverWatchOptions & { logger: Logger; signal: AbortSignal },
): Promise<void> {
  const { clock, logger, signal } = options;
  const watch = new LeaverWatch(options);
  while (!signal.aborted) {
    await watch.look(signal).catch((cause: unknown) => {
      if (signal.aborted) return;
      const error = toMusterError(cause, "looking for devices that left");
      logger.error("devices that left a rollout could not be looked for", { error });
    });
    await delay(clock, LOOK_MS, signal).catch(() => undefined); // ended: the loop ends
  }
}
