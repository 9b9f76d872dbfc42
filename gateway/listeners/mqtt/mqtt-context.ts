// SPDX-License-Identifier: Apache-2.0
/** What all connections of a listener share: one object, so each holds one reference. */
import type { Logger } from "../../../ports/logger.ts";
import type { DecoderLimits } from "../../../protocol/mqtt/decoder-limits.ts";
import type { LoadLevel } from "../../admission/load-level.ts";
import type { Redirects } from "../../admission/redirects.ts";
import type { Suspects } from "../../admission/suspects.ts";
import type { GatewayMetrics } from "../../metrics.ts";
import type { DeviceIntake } from "../../pipeline/device-intake.ts";
import type { Presence } from "../../presence/presence.ts";
import type { KeptSessions } from "../../sessions/kept-sessions.ts";
import type { SessionLifecycle } from "../../sessions/session-lifecycle.ts";
import type { SessionTable } from "../../sessions/session-table.ts";
import type { ProxiedSources } from "../proxy/proxied-sources.ts";
import type { ConnectTerms } from "./connect-decision.ts";
import type { SlowConsumers } from "../../sessions/slow-consumers.ts";

export interface MqttContext {
  readonly table: SessionTable;
  readonly lifecycle: SessionLifecycle;
  readonly kept: KeptSessions;
  readonly presence: Presence;
  readonly intake: Pick<DeviceIntake, "take" | "fault">;
  readonly slowConsumers: SlowConsumers;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  readonly limits: DecoderLimits;
  readonly terms: ConnectTerms;
  readonly sources: ProxiedSources;
  readonly suspects: Suspects;
  readonly redirects: Pick<Redirects, "limit" | "draw">;
  readonly loadLevel: Pick<LoadLevel, "isOverloaded">;
}
