// SPDX-License-Identifier: Apache-2.0
/** What a device on framed TCP is told about each way a session ends. */
import { GoodbyeReason } from "../../../protocol/gen/muster/v1/framed_pb.ts";
import type { CloseCause } from "../../sessions/device-link.ts";

export const GOODBYE_REASONS: Readonly<Record<CloseCause, GoodbyeReason>> = {
  closed: GoodbyeReason.UNSPECIFIED,
  silent: GoodbyeReason.SILENT,
  "taken-over": GoodbyeReason.TAKEN_OVER,
  refused: GoodbyeReason.NOT_AUTHORIZED,
  redirected: GoodbyeReason.FULL,
  retired: GoodbyeReason.RETIRED,
  slow: GoodbyeReason.SLOW,
  "held-limit": GoodbyeReason.TOO_MANY_UNANSWERED,
  // There are no topics here.
  "not-its-topic": GoodbyeReason.PROTOCOL,
  protocol: GoodbyeReason.PROTOCOL,
  "connect-timeout": GoodbyeReason.SILENT,
  draining: GoodbyeReason.SHUTTING_DOWN,
};
