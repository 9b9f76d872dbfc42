// SPDX-License-Identifier: Apache-2.0
/** Plays a script to its end: how long it took, and how many devices the release reached. */
import { ATTEMPT } from "../../domain/attempt.ts";
import { isEnded } from "../../domain/rollout.ts";
import type { OpenRollout } from "../rollouts/open-rollout.ts";
import type { RehearsedCenter } from "./rehearsed-center.ts";
import type { Play, RehearsalScript, TimelinePoint } from "./rehearsal.ts";

/** The grain of the real loop. */
const FINEST_GRAIN_MS = 200;
/** A longer grain would let a device come and go unseen. */
const COARSEST_GRAIN_MS = 60_000;
/** A step is at least this part of what the plan expects: more steps than this add no precision. */
const STEPS_A_ROLLOUT = 5_000;
/** Each stage of an attempt may be late by a grain: a fiftieth keeps that below the noise. */
const GRAINS_A_STAGE = 50;
/** More points than a picture has columns are not seen. */
const MAX_POINTS = 400;
/** Rollouts that wait for their tail longer than the longest offline grace never end. */
const LONGEST_MS = 400 * 86_400_000;

/** The rollout's rehearsal; `onProgress` gets virtual time, at most once a virtual minute. */
export async function play(
  center: RehearsedCenter,
  script: RehearsalScript,
  onProgress: (virtualMs: number) => void,
): Promise<Play> {
  const grainMs = grainOf(script);
  const stepMs = Math.max(FINEST_GRAIN_MS, script.plan.expectedDurationMs / STEPS_A_ROLLOUT);
  const timeline = new Timeline();
  let offeredForMs: number | null = null;
  let toldAtMs = 0;
  center.start();
  for (let nowMs = 0; nowMs < LONGEST_MS;) {
    await center.step(nowMs);
    timeline.add(pointOf(center.rollout, nowMs));
    const { state } = center.rollout.record.progress;
    if (state !== "running" && nowMs > 0) offeredForMs ??= nowMs;
    if (state === "paused" || isEnded(state)) break;
    if (nowMs - toldAtMs >= 60_000) {
      onProgress(nowMs);
      toldAtMs = nowMs;
    }
    // Nothing but time: deadlines and soaks need the grain, arrivals a moment of their own.
    const nextMs = Math.min(nowMs + grainMs, center.fleet.nextAtMs);
    nowMs = Math.ceil(Math.max(nextMs, nowMs + stepMs));
  }
  const { progress } = center.rollout.record;
  const durationMs = center.clock.nowMs;
  const last = timeline.last;
  return {
    state: progress.state,
    stateReason: progress.stateReason,
    durationMs,
    offeredForMs: offeredForMs ?? durationMs,
    exposed: last.exposed,
    failures: last.failures,
    maxUnproven: progress.maxUnproven,
    timeline: timeline.points,
  };
}

function grainOf({ spec: { soakMs }, model }: RehearsalScript): number {
  const medianMs = model.workMs[model.workMs.length >> 1] ?? 0;
  const stageMs = Math.min(soakMs === 0 ? Infinity : soakMs, medianMs);
  return Math.min(Math.max(stageMs / GRAINS_A_STAGE, FINEST_GRAIN_MS), COARSEST_GRAIN_MS);
}

function pointOf(rollout: OpenRollout, atMs: number): TimelinePoint {
  const { total, record } = rollout;
  return {
    atMs,
    exposed: total.exposed,
    succeeded: total.byState[ATTEMPT.succeeded] ?? 0,
    failures: total.failures,
    unproven: total.unproven,
    waveCount: record.progress.waveCount,
  };
}

const NOTHING: TimelinePoint = {
  atMs: 0,
  exposed: 0,
  succeeded: 0,
  failures: 0,
  unproven: 0,
  waveCount: 0,
};

/** Points that differ; every second one is dropped when there are too many, the last never. */
class Timeline {
  last: TimelinePoint = NOTHING;
  private kept: TimelinePoint[] = [];
  private spacingMs = 0;

  get points(): TimelinePoint[] {
    return this.kept.at(-1) === this.last ? this.kept : [...this.kept, this.last];
  }

  add(point: TimelinePoint): void {
    const { last } = this;
    this.last = point;
    if (isSame(last, point) && this.kept.length > 0) return;
    const since = point.atMs - (this.kept.at(-1)?.atMs ?? -Infinity);
    if (since < this.spacingMs) return;
    this.kept.push(point);
    if (this.kept.length <= MAX_POINTS) return;
    this.kept = this.kept.filter((_, index) => index % 2 === 0);
    this.spacingMs = Math.max(this.spacingMs * 2, point.atMs / MAX_POINTS);
  }
}

function isSame(a: TimelinePoint, b: TimelinePoint): boolean {
  return (
    a.exposed === b.exposed &&
    a.succeeded === b.succeeded &&
    a.failures === b.failures &&
    a.unproven === b.unproven &&
    a.waveCount === b.waveCount
  );
}
