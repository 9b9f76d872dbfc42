// SPDX-License-Identifier: Apache-2.0
/**
 * What a rehearsal is asked and what it answers. It plays one planned rollout on virtual time with
 * the center's own rollout loop, against devices that behave as this fleet was seen to behave.
 */
import type { RolloutSpec, RolloutState } from "../../domain/rollout.ts";
import type { DocumentWrite, PageWrite } from "../../ports/store.ts";
import type { PlanRecord } from "../rollouts/rollout-record.ts";
import type { EncodedError } from "../../runtime/worker-messages.ts";

/** How this fleet was seen to behave; columns by position in the plan. */
export interface FleetModel {
  /**
   * From accepted to installed, milliseconds, ascending quantiles in even steps: the first is the
   * fastest seen, the last the slowest.
   */
  readonly workMs: Float64Array;
  /** One sentence: what `workMs` was learnt from. */
  readonly workSource: string;
  /** HOUR_BYTES a device (`domain/availability-page.ts`): the hours in which it is online. */
  readonly onlineHours: Uint8Array;
  readonly onlineSource: string;
  /** 1: the release may break this device. */
  readonly fragile: Uint8Array;
  /**
   * What each device fetches for one step of its path, before compression; empty where the rollout
   * has no caps of the bandwidth: then how long that takes is a part of `workMs`.
   */
  readonly transferBytes: Float64Array;
  /** `siteKey` of each device's site. */
  readonly sites: Uint32Array;
  /** Number of the gateway through which each device was connected last; 1 where none is known. */
  readonly gateways: Uint16Array;
}

/** Everything that one rehearsal needs, in a form that a thread can be given. */
export interface RehearsalScript {
  /** What the rehearsal's own Store holds at first: rollout (planned), plan, what devices run. */
  readonly documents: readonly DocumentWrite[];
  readonly pages: readonly PageWrite[];
  /** The plan that `documents` and `pages` hold. */
  readonly plan: PlanRecord;
  readonly tenant: string;
  readonly name: string;
  readonly rolloutNumber: number;
  /** Ordinal by position; behind the plan, of devices that may join it. */
  readonly ordinals: Uint32Array;
  readonly slot: number;
  /** Digest of what each position runs now; index into `digests`. */
  readonly runs: Uint16Array;
  readonly digests: readonly string[];
  readonly model: FleetModel;
  /** Wall time at the start, for windows and for who is online. */
  readonly startAtMs: number;
  readonly spec: RolloutSpec;
  readonly offerLifetimeMs: number;
  readonly leaseLifetimeMs: number;
}

/** One play of the script. */
export interface Scenario {
  /** Share of the fragile devices that the release breaks, 0–1. */
  readonly brokenShare: number;
  /** Of those, the share that never answers again; the others report the failure. */
  readonly silentShare: number;
  readonly seed: number;
}

/** Counts at a moment of the rollout. */
export interface TimelinePoint {
  readonly atMs: number;
  readonly exposed: number;
  readonly succeeded: number;
  readonly failures: number;
  readonly unproven: number;
  readonly waveCount: number;
}

export interface Play {
  readonly state: RolloutState;
  readonly stateReason: string;
  /** From the start to the end, or to the pause that a person must decide on. */
  readonly durationMs: number;
  /** From the start until nothing more was offered: the stop, the pause or the end. */
  readonly offeredForMs: number;
  readonly exposed: number;
  readonly failures: number;
  readonly maxUnproven: number;
  readonly timeline: readonly TimelinePoint[];
}

/** What the thread tells. */
export type RehearsalNews =
  | { readonly kind: "progress"; readonly virtualMs: number }
  | { readonly kind: "play"; readonly scenario: Scenario; readonly play: Play }
  | { readonly kind: "failed"; readonly error: EncodedError };
