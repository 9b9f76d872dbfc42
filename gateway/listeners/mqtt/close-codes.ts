// SPDX-License-Identifier: Apache-2.0
/** What an MQTT 5 client is told in DISCONNECT about each way a session ends. */
import { ReasonCode } from "../../../protocol/mqtt/reason-codes.ts";
import type { CloseCause } from "../../sessions/device-link.ts";

/** null: nothing is said, for nobody listens or it was said already. */
export const CLOSE_CODES: Readonly<Record<CloseCause, ReasonCode | null>> = {
  closed: null,
  silent: ReasonCode.KeepAliveTimeout,
  "taken-over": ReasonCode.SessionTakenOver,
  refused: ReasonCode.NotAuthorized,
  redirected: null,
  retired: ReasonCode.AdministrativeAction,
  slow: ReasonCode.QuotaExceeded,
  "held-limit": ReasonCode.ReceiveMaximumExceeded,
  "not-its-topic": ReasonCode.NotAuthorized,
  protocol: null,
  "connect-timeout": null,
  draining: ReasonCode.ServerShuttingDown,
};
