// SPDX-License-Identifier: Apache-2.0
/**
 * Which of the five filters below its own `down/` a device holds, and with which QoS, in ten bits.
 * No topic tree: a device may subscribe to nothing else, so a table of five rows is the whole
 * router. Filters overlap (`down/offer` and `down/#`); a message goes out once, with the highest
 * QoS among the filters that match [MQTT-3.3.4-2].
 */
import { DOWN_CHANNELS, type DownChannel } from "../../protocol/device/topics.ts";
import { SUBSCRIPTION_SHIFT } from "./session-state.ts";

/** Row: index of a filter. What follows `…/down/`. */
export const DOWN_FILTERS: readonly string[] = [...DOWN_CHANNELS, "+", "#"];

const PLUS_INDEX: number = DOWN_CHANNELS.length;
const HASH_INDEX: number = DOWN_CHANNELS.length + 1;

const ALL_BITS = ((1 << (2 * DOWN_FILTERS.length)) - 1) << SUBSCRIPTION_SHIFT;

function heldBit(filterIndex: number): number {
  return 1 << (SUBSCRIPTION_SHIFT + filterIndex * 2);
}

function qos1Bit(filterIndex: number): number {
  return 1 << (SUBSCRIPTION_SHIFT + filterIndex * 2 + 1);
}

/** The state word with the filter held; `qos` is 0 or 1, a repeated subscribe replaces it. */
export function withSubscription(state: number, filterIndex: number, qos: 0 | 1): number {
  const held = state | heldBit(filterIndex);
  return qos === 1 ? held | qos1Bit(filterIndex) : held & ~qos1Bit(filterIndex);
}

export function withoutSubscription(state: number, filterIndex: number): number {
  return state & ~heldBit(filterIndex) & ~qos1Bit(filterIndex);
}

/** All of them, as bits of a state word. */
export function subscriptionsOf(state: number): number {
  return state & ALL_BITS;
}

export function isSubscribed(state: number, filterIndex: number): boolean {
  return (state & heldBit(filterIndex)) !== 0;
}

/** The QoS in which a message on `channel` goes to the device; -1 when it asked for none. */
export function deliveryQos(state: number, channel: DownChannel): 0 | 1 | -1 {
  const exact = DOWN_CHANNELS.indexOf(channel);
  const held = heldBit(exact) | heldBit(PLUS_INDEX) | heldBit(HASH_INDEX);
  if ((state & held) === 0) return -1;
  const qos1 = qos1Bit(exact) | qos1Bit(PLUS_INDEX) | qos1Bit(HASH_INDEX);
  return (state & qos1) === 0 ? 0 : 1;
}
