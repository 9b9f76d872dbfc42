// SPDX-License-Identifier: Apache-2.0
/** A message that left for a device and was not acknowledged, as its session keeps it. */
import type { DownChannel } from "../../protocol/device/topics.ts";

export interface KeptDelivery {
  readonly packetId: number;
  readonly channel: DownChannel;
  readonly payload: Uint8Array;
  /** As in `DeviceLink.deliver`. */
  readonly acknowledged: (() => void) | null;
  readonly mayRepeat: (() => boolean) | null;
}
