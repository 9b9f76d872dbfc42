// SPDX-License-Identifier: Apache-2.0
/**
 * The topics a device may use: it publishes to its own `…/up/{channel}` and subscribes to its own
 * `…/down/{channel}`, `…/down/+` and `…/down/#`. Everything else is somebody else's.
 */
import {
  TOPIC_ROOT,
  UP_CHANNELS,
  type DownChannel,
  type UpChannel,
} from "../../../protocol/device/topics.ts";
import { DOWN_FILTERS } from "../../sessions/subscriptions.ts";

/** `…/up/`, made once a connection: the hot path compares against it. `device`: `tenant/device`. */
export function upPrefix(device: string): string {
  return `${TOPIC_ROOT}${device}/up/`;
}

export function downPrefix(device: string): string {
  return `${TOPIC_ROOT}${device}/down/`;
}

export function downTopic(device: string, channel: DownChannel): string {
  return `${TOPIC_ROOT}${device}/down/${channel}`;
}

/** The channel of a topic below `prefix`; null when the device may not publish to it. */
export function publishChannel(topic: string, prefix: string): UpChannel | null {
  if (!topic.startsWith(prefix)) return null;
  for (const channel of UP_CHANNELS) {
    if (topic.length === prefix.length + channel.length && topic.endsWith(channel)) return channel;
  }
  return null;
}

/** Whether the bytes are `prefix` and a channel: the same without making a string. */
export function isTopic(
  bytes: Buffer,
  start: number,
  end: number,
  prefix: string,
  channel: UpChannel,
): boolean {
  if (end - start !== prefix.length + channel.length) return false;
  for (let index = 0; index < prefix.length; index += 1) {
    if (bytes[start + index] !== prefix.charCodeAt(index)) return false;
  }
  for (let index = 0; index < channel.length; index += 1) {
    if (bytes[start + prefix.length + index] !== channel.charCodeAt(index)) return false;
  }
  return true;
}

/** The row of `DOWN_FILTERS`; -1 when the device may not subscribe to it. */
export function subscriptionIndex(filter: string, prefix: string): number {
  return filter.startsWith(prefix) ? DOWN_FILTERS.indexOf(filter.slice(prefix.length)) : -1;
}
