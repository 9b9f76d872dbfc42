// SPDX-License-Identifier: Apache-2.0
/** Devices that stay while others come back: how many of both, and what those that stay notice. */
import type { LoadAnswer } from "../gateway/load.ts";
import { servedShare, type Figures } from "./storm.ts";

export const COMING = 18_000;
export const STAYING = 1_000;
/** A heartbeat of each: as often as makes a p99 of them. */
export const STAYING_BEAT_MS = 1_000;
export const CALM_MS = 10_000;

/** `calm`: before the storm; `stayed`: from its begin until all are back. */
export function figuresOfStaying(calm: LoadAnswer, stayed: LoadAnswer): Figures {
  return {
    "who stayed, p99 in calm": [calm.p99Ms, "ms"],
    "who stayed, p99 in the storm": [stayed.p99Ms, "ms"],
    "who stayed, the slowest": [stayed.worstMs, "ms"],
    "who stayed, p99, times that in calm": [stayed.p99Ms / calm.p99Ms, "×"],
    "who stayed, share of heartbeats served": [servedShare(stayed), "of 1"],
    "who stayed, connections lost": [stayed.closed, "devices"],
  };
}
