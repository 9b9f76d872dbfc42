// SPDX-License-Identifier: Apache-2.0
/** What a rehearsal showed, by the share of devices that the release breaks. */
import {
  RolloutStateSchema,
  type RehearsalOutline,
  type RehearsalPlay,
} from "../protocol/gen/muster/v1/deploy_pb.ts";
import { enumWord } from "./output/plain-data.ts";

/** Of several plays, in order of size: the middle one, and the ends. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/** All plays of one percentage. */
export interface RehearsedCase {
  readonly brokenPercent: number;
  readonly playCount: number;
  /** How many plays ended in each state. */
  readonly endsByState: { readonly [state: string]: number };
  readonly durationMs: Spread;
  /** Devices that accepted the release. */
  readonly exposed: Spread;
  readonly maxUnproven: Spread;
  /** Why the middle one (by exposure) ended. */
  readonly stateReason: string;
  readonly timeline: RehearsalPlay["timeline"];
}

export interface Rehearsal {
  readonly outline: RehearsalOutline;
  readonly cases: readonly RehearsedCase[];
}

/** Plays in the order they came, grouped by percentage. */
export function summarizePlays(plays: readonly RehearsalPlay[]): RehearsedCase[] {
  const byPercent = new Map<number, RehearsalPlay[]>();
  for (const play of plays) {
    const group = byPercent.get(play.brokenPercent) ?? [];
    group.push(play);
    byPercent.set(play.brokenPercent, group);
  }
  return Array.from(byPercent, ([brokenPercent, group]) => summarize(brokenPercent, group));
}

function summarize(brokenPercent: number, plays: readonly RehearsalPlay[]): RehearsedCase {
  const endsByState: { [state: string]: number } = {};
  for (const play of plays) {
    const state = enumWord(RolloutStateSchema, play.state);
    endsByState[state] = (endsByState[state] ?? 0) + 1;
  }
  const byExposure = plays.toSorted((a, b) => a.exposed - b.exposed);
  const middle = byExposure[byExposure.length >> 1];
  return {
    brokenPercent,
    playCount: plays.length,
    endsByState,
    durationMs: spreadOf(plays.map(({ durationMs }) => Number(durationMs))),
    exposed: spreadOf(plays.map(({ exposed }) => exposed)),
    maxUnproven: spreadOf(plays.map(({ maxUnproven }) => maxUnproven)),
    stateReason: middle?.stateReason ?? "",
    timeline: middle?.timeline ?? [],
  };
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  return {
    median: sorted[sorted.length >> 1] ?? 0,
    low: sorted[0] ?? 0,
    high: sorted.at(-1) ?? 0,
  };
}
