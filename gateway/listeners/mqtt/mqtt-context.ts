// SPDX-License-Identifier: Apache-2.0
/** What all connections of a listener share: one object, so each holds one reference. */
import type { DecoderLimits } from "../../../protocol/mqtt/decoder-limits.ts";
import type { LoadLevel } from "../../admission/load-level.ts";
import type { Redirects } from "../../admission/redirects.ts";
import type { DeviceIntake } from "../../pipeline/device-intake.ts";
import type { Presence } from "../../presence/presence.ts";
import type { KeptSessions } from "../../sessions/kept-sessions.ts";
import type { StreamContext } from "../stream-output.ts";
import type { ConnectTerms } from "./connect-decision.ts";

export interface MqttContext extends StreamContext {
  readonly kept: KeptSessions;
  readonly presence: Presence;
  readonly intake: Pick<DeviceIntake, "take" | "fault">;
  readonly limits: DecoderLimits;
  readonly terms: ConnectTerms;
  readonly redirects: Pick<Redirects, "limit" | "draw">;
  readonly loadLevel: Pick<LoadLevel, "isOverloaded">;
}
