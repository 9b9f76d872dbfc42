// SPDX-License-Identifier: Apache-2.0
/**
 * MQTT topics of a device: `muster/v1/{tenant}/{device}/up/{hello,heartbeat,report,log}` and
 * `…/down/{offer,config,command}`. A device may publish and subscribe below its own prefix only.
 */
export const UP_CHANNELS = ["hello", "heartbeat", "report", "log"] as const;
export const DOWN_CHANNELS = ["offer", "config", "command"] as const;
export type UpChannel = (typeof UP_CHANNELS)[number];
export type DownChannel = (typeof DOWN_CHANNELS)[number];

/** What every topic begins with; `{tenant}/{device}` follows. */
export const TOPIC_ROOT = "muster/v1/";

/** `muster/v1/{tenant}/{device}`, without a slash at the end. */
export function topicPrefix(tenant: string, device: string): string {
  return `${TOPIC_ROOT}${tenant}/${device}`;
}

export function upTopic(tenant: string, device: string, channel: UpChannel): string {
  return `${topicPrefix(tenant, device)}/up/${channel}`;
}

export function downTopic(tenant: string, device: string, channel: DownChannel): string {
  return `${topicPrefix(tenant, device)}/down/${channel}`;
}
