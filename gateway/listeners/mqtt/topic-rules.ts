// SPDX-License-Identifier: Apache-2.0
/**
 * The topics a device may use: it publishes to its own `…/up/{channel}` and subscribes to its own
 * `…/down/{channel}`, `…/down/+` and `…/down/#`. Everything else is somebody else's.
 */
import { topicPrefix, UP_CHANNELS, type UpChannel } from "../../../protocol/device/topics.ts";
import { DOWN_FILTERS } from "../../sessions/subscriptions.ts";

/** `…/up/`, made once a connection: the hot path compares against it. */
export function upPrefix(tenant: string, device: string): string {
  return `${topicPrefix(tenant, device)}/up/`;
}

export function downPrefix(tenant: string, device: string): string {
  return `${topicPrefix(tenant, device)}/down/`;
}

/** The channel of a topic below `prefix`; null when the device may not publish to it. */
export function publishChannel(topic: string, prefix: string): UpChannel | null {
  if (!topic.startsWith(prefix)) return null;
  for (const channel of UP_CHANNELS) {
    if (topic.length === prefix.length + channel.length && topic.endsWith(channel)) return channel;
  }
  return null;
}

/** The row of `DOWN_FILTERS`; -1 when the device may not subscribe to it. */
export function subscriptionIndex(filter: string, prefix: string): number {
  return filter.startsWith(prefix) ? DOWN_FILTERS.indexOf(filter.slice(prefix.length)) : -1;
}
