// SPDX-License-Identifier: Apache-2.0
/**
 * What a device wants said for it when its connection ends and it did not say goodbye. A will is a
 * message of the device: it may go where the device may publish, and is taken as if the device had
 * published it then.
 */
import type { Connect } from "../../../protocol/mqtt/packets.ts";
import type { KeptWill } from "../../sessions/kept-will.ts";
import { publishChannel, upPrefix } from "./topic-rules.ts";

/** null: there is none; "foreign": its topic is somebody else's. `device`: `tenant/device`. */
export function readWill({ will }: Connect, device: string): KeptWill | null | "foreign" {
  if (will === undefined) return null;
  const channel = publishChannel(will.topic, upPrefix(device));
  if (channel === null) return "foreign";
  // The bytes of CONNECT are the socket's, and gone when the will is due.
  const payload = Buffer.from(will.payload);
  return { channel, payload, delaySeconds: will.properties?.willDelayIntervalSeconds ?? 0 };
}
