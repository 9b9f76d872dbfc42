// SPDX-License-Identifier: Apache-2.0
/**
 * The rollout: the intent (subject × selector × strategy × policy), its states and what the engine
 * keeps of it between steps.
 *
 *     draft → (awaiting-approval) → planned → running ⇄ paused → succeeded
 *                   │                      │        │
 *                   └──────────────────────┴→ stopping → stopped | expired
 *                                                   └→ rolling-back → rolled-back | stopped
 *
 * A running one that somebody refused and nobody accepted ends as stopped: nothing came about.
 * One that ended as succeeded, stopped or expired may still be rolled back: it is `stopping` again.
 * `stopping`: the stop epoch has been raised, nothing new is offered, offers that left are awaited.
 * `rolling-back`: a child rollout puts each exposed device back to what it ran before.
 */
import type { AdaptiveWindow } from "./adaptive-window.ts";
import { NO_BANDWIDTH, type Bandwidth } from "./bandwidth.ts";
import type { AnalysisPolicy, AnalysisQuestion } from "./analysis.ts";
import type { JoinedRange, JoinPolicy, LeavePolicy } from "./membership.ts";
import type { PlaceLimits } from "./place-loads.ts";
import type { Strategy, WindowLimits } from "./strategy.ts";
import type { SubjectFields } from "./subject.ts";
import type { Amount } from "./units.ts";
import type { ZoneProgress } from "./zone-progress.ts";
import { NO_WINDOWS, type WindowPolicy } from "./zone-windows.ts";

export const ROLLOUT_STATES = [
  "draft",
  "planned",
  "running",
  "paused",
  "stopping",
  "rolling-back",
  "succeeded",
  "stopped",
  "rolled-back",
  "expired",
  "awaiting-approval",
] as const;
export type RolloutState = (typeof ROLLOUT_STATES)[number];

/** Nothing more happens by itself; only an operator's rollback leads out. */
export function isEnded(state: RolloutState): boolean {
  return (
    state === "succeeded" || state === "stopped" || state === "rolled-back" || state === "expired"
  );
}

/** Its plan is frozen, and nothing of it has happened. */
export function isUnstarted(state: RolloutState): boolean {
  return state === "planned" || state === "awaiting-approval";
}

/** The engine works on these. */
export function isOpen(state: RolloutState): boolean {
  return (
    state === "running" || state === "paused" || state === "stopping" || state === "rolling-back"
  );
}

export type OnSliceFailure = "stop" | "hold-slice";

export interface GatePolicy {
  /** The rollout stops at this many failures. */
  readonly maxFailures: Amount;
  /**
   * It stops as soon as it is evident that more than this share would fail. 100 = not tested; 0 =
   * the share of the plan that `maxFailures` allows, and at least 1 %.
   */
  readonly maxFailureRatePercent: number;
  /** Of all rollouts that are within `maxFailureRatePercent`, this share may be stopped by it. */
  readonly falseAlarmPercent: number;
  /** Facts by which devices are told apart: each slice is tested beside the whole. */
  readonly slices: readonly string[];
  /** What a slice that fails does: to all of the rollout, or to its own devices alone. */
  readonly onSliceFailure: OnSliceFailure;
  /** Of the decided attempts of a wave, to go on to the next. */
  readonly minSuccessPercent: number;
  /** Decided in a wave before `minSuccessPercent` is judged (or all that the wave can reach). */
  readonly minSample: number;
  /** Somebody outside who must agree before each next wave; null = nobody. */
  readonly analysis: AnalysisPolicy | null;
}

/** Each phase has a deadline; silence is a failure. Milliseconds on the rollout's own clock. */
export interface Deadlines {
  /** Wave open → accepted; after it the device moves to the tail and no longer holds the wave. */
  readonly reachMs: number;
  /** Accepted → downloaded. */
  readonly downloadMs: number;
  /** Deferred by the device's busy hook. */
  readonly waitingMs: number;
  /** Downloaded or installing → installed. */
  readonly installMs: number;
  /** Installed → evidence of it, the soak not counted. */
  readonly verifyMs: number;
  /** Start of the last wave → a device never reached is `unreachable`, which is neutral. */
  readonly offlineGraceMs: number;
}

export const APPROVAL_POLICIES = ["none", "required"] as const;
export type ApprovalPolicy = (typeof APPROVAL_POLICIES)[number];

export type OnStop = "rollback" | "pause";

/** `hash`: drawn by hash alone. `critical-last`: the same, and critical devices after the rest. */
export const WAVE_ORDERS = ["critical-last", "hash"] as const;
export type WaveOrder = (typeof WAVE_ORDERS)[number];

/** How devices go back, when they must (`rollback-plan.ts`). */
export interface RollbackPolicy {
  /** Sizes in order, of the devices that go back; what is left over is a wave of its own. */
  readonly waves: readonly Amount[];
  /** Going back at once. */
  readonly maxInFlight: Amount;
  /** Of the decided of a wave, or the rollback pauses for a person; 0 = it goes on all the same. */
  readonly minSuccessPercent: number;
}

export interface RolloutSpec extends PlaceLimits, SubjectFields {
  readonly selector: string;
  readonly strategy: Strategy;
  readonly order: WaveOrder;
  readonly joiners: JoinPolicy;
  readonly leavers: LeavePolicy;
  /** Label by which devices are groups that move together; "" = each is on its own. */
  readonly together: string;
  /** Sizes in order; what is left over is a last wave of its own. */
  readonly waves: readonly Amount[];
  readonly maxInFlight: Amount;
  /** Most unproven devices at any moment. */
  readonly blastRadius: Amount;
  readonly gate: GatePolicy;
  readonly soakMs: number;
  readonly deadlines: Deadlines;
  readonly onStop: OnStop;
  readonly rollback: RollbackPolicy;
  /** Wall time: nothing is offered before; 0 = at once. */
  readonly notBeforeMs: number;
  /** Wall time: nothing is offered from here on, and the rollout ends; 0 = never. */
  readonly expiresAtMs: number;
  readonly windows: WindowPolicy;
  /** Of what devices fetch. */
  readonly bandwidth: Bandwidth;
  /** `required`: another operator than the planner must approve the plan before the start. */
  readonly approval: ApprovalPolicy;
  /** Of two rollouts that want the same slot of a device the higher wins; then the newer. */
  readonly priority: number;
  /** Its attempts may run beside those of other slots of the same device. */
  readonly compatible: boolean;
  /** Rollouts that go first on every device that both have (`rollout-order.ts`). */
  readonly after: readonly string[];
}

export const DEFAULT_SPEC: Omit<RolloutSpec, "release" | "selector"> = {
  isConfiguration: false,
  command: null,
  strategy: { kind: "fixed" },
  order: "critical-last",
  joiners: "tail",
  leavers: "withdraw",
  together: "",
  waves: [{ percent: 1 }, { percent: 10 }],
  maxInFlight: { percent: 10 },
  maxInFlightPerGateway: 0,
  maxInFlightPerSite: 0,
  blastRadius: { percent: 10 },
  gate: {
    maxFailures: { percent: 1 },
    maxFailureRatePercent: 0,
    falseAlarmPercent: 1,
    slices: [],
    onSliceFailure: "stop",
    minSuccessPercent: 95,
    minSample: 1,
    analysis: null,
  },
  soakMs: 60_000,
  deadlines: {
    reachMs: 30 * 60_000,
    downloadMs: 3_600_000,
    waitingMs: 24 * 3_600_000,
    installMs: 30 * 60_000,
    verifyMs: 30 * 60_000,
    offlineGraceMs: 14 * 86_400_000,
  },
  onStop: "rollback",
  rollback: { waves: [], maxInFlight: { count: 1_000 }, minSuccessPercent: 0 },
  notBeforeMs: 0,
  expiresAtMs: 0,
  windows: NO_WINDOWS,
  bandwidth: NO_BANDWIDTH,
  approval: "none",
  priority: 0,
  compatible: false,
  after: [],
};

/** Contiguous positions [start, end) of one wave. */
export interface WaveRange {
  readonly start: number;
  readonly end: number;
}

/** The absolute limits that a plan froze. */
export interface PlanLimits extends PlaceLimits {
  readonly maxInFlight: number;
  readonly blastRadius: number;
  readonly maxFailures: number;
  /** 100 = not tested. */
  readonly maxFailureRatePercent: number;
  /** Of an adaptive rollout: between what its window moves. */
  readonly window: WindowLimits | null;
}

/** A slice that nothing more is offered to, and the sentence that says why. */
export interface HeldSlice {
  /** Index into the slices of the plan. */
  readonly slice: number;
  readonly why: string;
}

/** What an operator had seen of a slice when he resumed. */
export interface SliceForgiven {
  readonly failures: number;
  readonly accepted: number;
  readonly underWay: number;
  readonly failedSites: number;
}

/** What the engine remembers of a running rollout; small, stored with every step. */
export interface RolloutProgress {
  readonly state: RolloutState;
  /** One sentence: why it is in this state. */
  readonly stateReason: string;
  /** Waves opened so far; wave `waveCount − 1` is the current one. */
  readonly waveCount: number;
  /** On the rollout's clock: when the current wave opened. */
  readonly waveOpenedAtMs: number;
  /** The rollout's own clock: advanced by the leader's monotonic time only. */
  readonly clockMs: number;
  /** Only ever grows. */
  readonly stopEpoch: number;
  /** On the rollout's clock: when it began stopping; offers that left are awaited from here. */
  readonly stoppingAtMs: number;
  /** Failures an operator has seen and resumed over; the gate counts from here. */
  readonly forgivenFailures: number;
  /** Devices that had accepted at the last resume, and those of them that were undecided. */
  readonly forgivenAccepted: number;
  readonly forgivenUnderWay: number;
  readonly forgivenFailedSites: number;
  /** By slice; empty = nothing was forgiven yet. */
  readonly forgivenSlices: readonly SliceForgiven[];
  /** Nothing more is offered to these until an operator resumes. */
  readonly heldSlices: readonly HeldSlice[];
  /** Devices that came after the plan was frozen; their positions follow those of the plan. */
  readonly joined: readonly JoinedRange[];
  /** The blast radius so far: most unproven devices at any moment. */
  readonly maxUnproven: number;
  /** After `stopping`: roll exposed devices back. */
  readonly rollbackWanted: boolean;
  /** It is stopping because `expiresAtMs` has come. */
  readonly hasExpired: boolean;
  /** It is stopping because the offline grace is over while offers are out; it ends succeeded. */
  readonly hasGivenUpTail: boolean;
  /** Of an adaptive rollout that has started: how many may be in flight now. */
  readonly window: AdaptiveWindow | null;
  /** By index of the zones in the plan; empty without windows. */
  readonly zones: readonly ZoneProgress[];
  /** The newest question to the analysis from outside; null = none was asked. */
  readonly analysis: AnalysisQuestion | null;
}

export const INITIAL_PROGRESS: RolloutProgress = {
  state: "draft",
  stateReason: "",
  waveCount: 0,
  waveOpenedAtMs: 0,
  clockMs: 0,
  stopEpoch: 0,
  stoppingAtMs: 0,
  forgivenFailures: 0,
  forgivenAccepted: 0,
  forgivenUnderWay: 0,
  forgivenFailedSites: 0,
  forgivenSlices: [],
  heldSlices: [],
  joined: [],
  maxUnproven: 0,
  rollbackWanted: false,
  hasExpired: false,
  hasGivenUpTail: false,
  window: null,
  zones: [],
  analysis: null,
};
