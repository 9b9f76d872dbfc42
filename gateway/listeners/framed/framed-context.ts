// SPDX-License-Identifier: Apache-2.0
/** What all connections of framed TCP share: one object, so each holds one reference. */
import type { DeviceIntake } from "../../pipeline/device-intake.ts";
import type { Presence } from "../../presence/presence.ts";
import type { KeptSessions } from "../../sessions/kept-sessions.ts";
import type { SessionLifecycle } from "../../sessions/session-lifecycle.ts";
import type { SessionTable } from "../../sessions/session-table.ts";
import type { SlowConsumers } from "../../sessions/slow-consumers.ts";
import type { Redirects } from "../../admission/redirects.ts";
import type { ListenerContext } from "../device-listener.ts";

export interface FramedContext extends ListenerContext {
  readonly table: SessionTable;
  readonly lifecycle: SessionLifecycle;
  readonly kept: Pick<KeptSessions, "discard">;
  readonly presence: Presence;
  readonly intake: Pick<DeviceIntake, "take" | "fault">;
  readonly slowConsumers: SlowConsumers;
  readonly redirects: Pick<Redirects, "limit" | "draw">;
  /** Longest silence that presence allows, ms. */
  readonly terms: { readonly silenceLimitMs: number };
}
