// SPDX-License-Identifier: Apache-2.0
/** What the center of histories and transcripts offers, what it was told, and whom it calls. */
import type { AttemptEvent } from "../attempt-step.ts";
import type { RolloutEffect } from "../rollout-effect.ts";
import type { RolloutEvent } from "../rollout-engine.ts";
import type { AttemptHappening } from "./happenings.ts";
import type { PureRollout } from "./pure-rollout.ts";
import type { SlotName } from "./slots.ts";

export interface Offer {
  readonly rollout: PureRollout;
  readonly position: number;
  readonly device: number;
  readonly generation: number;
  readonly stopEpoch: number;
  /** Release that it tells the device to run; 0 = nothing. */
  readonly target: number;
  /** It is what the device ran before: its group has failed. */
  readonly isWayBack: boolean;
  /** On the clock of the world. */
  readonly expiresAtMs: number;
}

/** What the center was last told of a device. */
export interface Told {
  presence: "online" | "offline" | "unknown";
  readonly slots: { readonly [Name in SlotName]: { release: number; healthy: boolean } };
  /** Where it is connected, or was last; numbers from 1. */
  gateway: number;
  /** It keeps windows by itself, so it may be offered work while they are closed. */
  understandsWindows: boolean;
}

export interface CenterHooks {
  offered(offer: Offer): void;
  effect(rollout: PureRollout, effect: RolloutEffect): void;
  /** Before and after each step of the engine. */
  stepped(rollout: PureRollout, before: PureRollout["progress"], event: RolloutEvent): void;
  /** Before time and evidence do what they do to the attempts. */
  sweeping?(rollout: PureRollout, elapsedTicks: number): void;
  /** Before an event is applied to an attempt; the page is as it was. */
  stepping?(rollout: PureRollout, event: AttemptEvent): void;
  /** Before something else changes the page. */
  changing?(rollout: PureRollout): void;
  /** What happened to an attempt in this state (code). */
  happened?(state: number, what: AttemptHappening): void;
}
