// SPDX-License-Identifier: Apache-2.0
/** What all connections of framed TCP share: one object, so each holds one reference. */
import type { DeviceIntake } from "../../pipeline/device-intake.ts";
import type { Presence } from "../../presence/presence.ts";
import type { KeptSessions } from "../../sessions/kept-sessions.ts";
import type { Redirects } from "../../admission/redirects.ts";
import type { StreamContext } from "../stream-output.ts";

export interface FramedContext extends StreamContext {
  readonly kept: Pick<KeptSessions, "discard">;
  readonly presence: Presence;
  readonly intake: Pick<DeviceIntake, "take" | "fault">;
  readonly redirects: Pick<Redirects, "limit" | "draw">;
  /** Longest silence that presence allows, ms. */
  readonly terms: { readonly silenceLimitMs: number };
}
