// SPDX-License-Identifier: Apache-2.0
/** The moves that a step of the rollout engine is made of. */
import type { RolloutProgress, RolloutState } from "./rollout.ts";
import type { RolloutEffect } from "./rollout-effect.ts";
import { restartReach } from "./zone-progress.ts";

export interface RolloutStep {
  readonly progress: RolloutProgress;
  readonly effects: readonly RolloutEffect[];
}

export function keep(progress: RolloutProgress): RolloutStep {
  return { progress, effects: [] };
}

export function openWave(progress: RolloutProgress, wave: number): RolloutStep {
  return {
    progress: {
      ...progress,
      waveCount: wave + 1,
      waveOpenedAtMs: progress.clockMs,
      zones: restartReach(progress.zones, progress.clockMs),
    },
    effects: [{ kind: "open-wave", wave }],
  };
}

/** Offers are withheld at the gateways too, at once: a pause raises the epoch like a stop. */
export function pause(progress: RolloutProgress, why: string): RolloutStep {
  const stopEpoch = progress.stopEpoch + 1;
  return {
    progress: { ...progress, state: "paused", stateReason: why, stopEpoch },
    effects: [{ kind: "raise-stop-epoch", stopEpoch }],
  };
}

export function stop(progress: RolloutProgress, why: string, rollbackWanted: boolean): RolloutStep {
  const stopEpoch = progress.stopEpoch + 1;
  return {
    progress: {
      ...progress,
      state: "stopping",
      stateReason: why,
      stopEpoch,
      rollbackWanted,
      hasExpired: false,
      hasGivenUpTail: false,
      stoppingAtMs: progress.clockMs,
    },
    effects: [{ kind: "raise-stop-epoch", stopEpoch }, { kind: "cancel-pending" }],
  };
}

export function end(progress: RolloutProgress, state: RolloutState, why: string): RolloutStep {
  return {
    progress: { ...progress, state, stateReason: why },
    effects: [{ kind: "ended", state }],
  };
}

export function closeAndEnd(
  progress: RolloutProgress,
  as: "unreachable" | "cancelled",
  state: RolloutState,
  why: string,
): RolloutStep {
  const ended = end(progress, state, why);
  const effects: RolloutEffect[] = [{ kind: "close-unaccepted", as }, ...ended.effects];
  return { progress: ended.progress, effects };
}
