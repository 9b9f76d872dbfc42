// SPDX-License-Identifier: Apache-2.0
/** What the parts of a CoAP listener need of the gateway. */
import type { Clock } from "../../../ports/clock.ts";
import type { Logger } from "../../../ports/logger.ts";
import type { Random } from "../../../ports/random.ts";
import type { GatewayMetrics } from "../../metrics.ts";
import type { DeviceIntake } from "../../pipeline/device-intake.ts";
import type { Presence } from "../../presence/presence.ts";
import type { SessionLifecycle } from "../../sessions/session-lifecycle.ts";
import type { SessionTable } from "../../sessions/session-table.ts";

export interface CoapContext {
  readonly table: SessionTable;
  readonly lifecycle: SessionLifecycle;
  readonly presence: Presence;
  readonly intake: Pick<DeviceIntake, "take" | "fault">;
  readonly metrics: GatewayMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly random: Random;
}
