// SPDX-License-Identifier: Apache-2.0
/** What all devices of one process share. */
import type { Codec } from "../../protocol/codec.ts";
import type { CodecName } from "../../protocol/device/codec-names.ts";
import type { DeviceHeartbeat } from "../../protocol/device/status.ts";
import type { MqttClient, MqttClientOptions } from "../../protocol/mqtt/client-options.ts";
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Random } from "../../ports/random.ts";
import type { WorkingTime } from "../../agent/trust/working-time.ts";
import type { ArtifactPool } from "./artifact-pool.ts";
import type { HeartbeatWheel } from "./heartbeat-wheel.ts";
import type { Limiter } from "./limiter.ts";
import type { OperationJournal } from "./operation-journal.ts";
import type { SwarmGateways } from "./swarm-gateways.ts";
import type { SwarmCounts } from "./swarm-stats.ts";
import type { SwarmTrust } from "./swarm-trust.ts";

export interface SwarmContext {
  readonly tenant: string;
  readonly caPem: string;
  readonly clock: Clock;
  /** For jitter. */
  readonly random: Random;
  readonly logger: Logger;
  readonly workingTime: WorkingTime;
  readonly gateways: SwarmGateways;
  /** Handshakes at once. */
  readonly dials: Limiter;
  readonly pool: ArtifactPool;
  readonly trust: SwarmTrust;
  readonly journal: OperationJournal;
  readonly counts: SwarmCounts;
  readonly wheel: HeartbeatWheel;
  /** Finds the device of a session: one handler serves all sessions. */
  readonly onPublish: MqttClientOptions["onPublish"];
  readonly receivers: WeakMap<MqttClient, Receiver>;
  readonly heartbeatIntervalMs: number;
  readonly codec: CodecName;
  readonly heartbeats: Codec<DeviceHeartbeat>;
  readonly backoffCeilingMs: number;
  readonly download: "full" | "manifest";
  /** Aborts when the swarm stops. */
  readonly stop: AbortSignal;
}

export interface Receiver {
  receive: MqttClientOptions["onPublish"];
}
