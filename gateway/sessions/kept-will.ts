// SPDX-License-Identifier: Apache-2.0
/** A device's will, checked when it connected: where it goes, and how long after its connection. */
import type { UpChannel } from "../../protocol/device/topics.ts";

export interface KeptWill {
  readonly channel: UpChannel;
  readonly payload: Buffer;
  /** Counted from the end of the connection, s; the end of the session is its end, too. */
  readonly delaySeconds: number;
}
