// SPDX-License-Identifier: Apache-2.0
/** What a swarm is told at its start, and what it is while it runs. */
import type { CodecName } from "../../protocol/device/codec-names.ts";
import type { SlotStatuses } from "../../protocol/device/status.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Random } from "../../ports/random.ts";
import type { GatewayAddress } from "../../agent/link/gateway-address.ts";
import type { Activation } from "./activation-ledger.ts";
import type { Behaviour, BehaviourWeights, SwarmDeviceSpec } from "./behaviour.ts";
import type { Pace } from "./pace.ts";
import type { SwarmStats } from "./swarm-stats.ts";

/** A process has file descriptors and memory (100 KiB a connected device) for so many. */
export const MAX_DEVICES_A_PROCESS = 10_000;
/** Of one swarm, on one machine. */
export const MAX_PROCESSES = 256;
export const DEFAULT_HEARTBEAT_INTERVAL_MS = 5_000;
export const DEFAULT_BACKOFF_CEILING_MS = 60_000;

/** `full`: manifest and every artifact; `manifest`: it takes the artifacts for fetched. */
export const DOWNLOADS = ["full", "manifest"] as const;
export type Download = (typeof DOWNLOADS)[number];

export interface SwarmOptions {
  /** Default `default`. */
  readonly tenant?: string;
  /**
   * Exactly these devices. Default: those of `tokens` and of the data folder, in the order of their
   * ids, the first `deviceCount` of them, with `behaviours` dealt among them.
   */
  readonly devices?: readonly SwarmDeviceSpec[];
  readonly deviceCount?: number;
  readonly behaviours?: BehaviourWeights;
  /** Decides who behaves how, and every duration. */
  readonly seed: number | string;
  /** `https://HOST:7443`. */
  readonly enrolmentUrl: string;
  /** One-time tokens of devices that the data folder does not know; others are left unused. */
  readonly tokens?: readonly string[];
  /** Identities and journals; made when it is not there. */
  readonly dataDirectory: string;
  /** Number of this process among those that share the folder. Default 0. */
  readonly part?: number;
  /** Instead of the center's directory. */
  readonly gateways?: readonly GatewayAddress[];
  /** Prefer gateways of this region where there are any. */
  readonly region?: string;
  /** Default 5,000; a gateway may demand less through its keep alive. */
  readonly heartbeatIntervalMs?: number;
  /** Of heartbeats; the gateways have to know it. Default `json`. */
  readonly codec?: CodecName;
  /** Longest cap of the back-off. Default 60,000. */
  readonly backoffCeilingMs?: number;
  /** Default `full`. */
  readonly download?: Download;
  readonly pace?: Partial<Pace>;
  /** Facts of every device, beside `hwRevision`, `os` and `simulated`. */
  readonly inventory?: { readonly [fact: string]: string };
  readonly version?: string;
  readonly clock: Clock;
  /** For jitter. */
  readonly random: Random;
  readonly logger: Logger;
  /** Aborting it while the swarm starts gives up; afterwards it is the same as calling `stop`. */
  readonly signal: AbortSignal;
  /** Told how many devices have an identity, as they are enrolled. */
  readonly onEnrolled?: (deviceCount: number) => void;
}

export interface SwarmDeviceView {
  readonly id: string;
  readonly behaviour: Behaviour;
  readonly isConnected: boolean;
  /** What the slot `app` really runs: the manifest's SHA-256, "" = nothing. */
  readonly digest: string;
  /** What it really runs; evidence says the same (a liar lies in reports only). */
  readonly running: SlotStatuses;
  /** Every switch, oldest first, of this run and those before. */
  readonly activations: readonly Activation[];
  readonly doubleActivations: number;
  /** Numbers of the rollouts of which it accepted an attempt. */
  readonly exposedRollouts: readonly number[];
  readonly pendingReports: number;
}

export interface RunningSwarm extends AsyncDisposable {
  stats(): SwarmStats;
  devices(): Iterable<SwarmDeviceView>;
  /** Lines are in it within a second; all of them after `flush` and after `stop`. */
  readonly journalFile: string;
  flush(): Promise<void>;
  /** Of all its devices, for what they begin from now on. */
  setPace(changes: Partial<Pace>): void;
  /** Rejects when the swarm cannot go on: its journal cannot be written. */
  readonly failed: Promise<never>;
  /** Devices say goodbye; the journal is whole. Later calls share the first. */
  stop(): Promise<void>;
}
