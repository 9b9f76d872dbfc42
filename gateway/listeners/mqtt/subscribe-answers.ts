// SPDX-License-Identifier: Apache-2.0
/** Pure: the answers to SUBSCRIBE and UNSUBSCRIBE, and the subscription bits that follow. */
import type { ProtocolLevel } from "../../../protocol/mqtt/packet-type.ts";
import type { SubackFields, Subscribe, Unsubscribe } from "../../../protocol/mqtt/packets.ts";
import { ReasonCode, subackCode } from "../../../protocol/mqtt/reason-codes.ts";
import { isSharedFilter } from "../../../protocol/mqtt/topics.ts";
import {
  isSubscribed,
  withoutSubscription,
  withSubscription,
} from "../../sessions/subscriptions.ts";
import { downPrefix, subscriptionIndex } from "./topic-rules.ts";

export interface SubscribeAnswers extends SubackFields {
  /** The session's state word, changed. */
  readonly state: number;
  /** Filters that are not the device's own. */
  readonly foreignCount: number;
}

interface Asked {
  readonly level: ProtocolLevel;
  /** `tenant/device`. */
  readonly device: string;
  readonly state: number;
}

export function answerSubscribe(options: Asked & { subscribe: Subscribe }): SubscribeAnswers {
  const { subscribe, level } = options;
  const prefix = downPrefix(options.device);
  let { state } = options;
  let foreignCount = 0;
  const reasonCodes = subscribe.subscriptions.map(({ filter, qos }) => {
    const index = subscriptionIndex(filter, prefix);
    if (index === -1) {
      const isShared = level === 5 && isSharedFilter(filter);
      if (!isShared) foreignCount += 1;
      const { NotAuthorized, SharedSubscriptionsNotSupported } = ReasonCode;
      return subackCode(level, isShared ? SharedSubscriptionsNotSupported : NotAuthorized);
    }
    const granted = qos === 0 ? 0 : 1;
    state = withSubscription(state, index, granted);
    return granted === 0 ? ReasonCode.Success : ReasonCode.GrantedQos1;
  });
  return { packetId: subscribe.packetId, reasonCodes, state, foreignCount };
}

export function answerUnsubscribe(options: Asked & { unsubscribe: Unsubscribe }): SubscribeAnswers {
  const { unsubscribe, level } = options;
  const prefix = downPrefix(options.device);
  let { state } = options;
  const reasonCodes = unsubscribe.filters.map((filter) => {
    const index = subscriptionIndex(filter, prefix);
    if (index === -1 || !isSubscribed(state, index)) return ReasonCode.NoSubscriptionExisted;
    state = withoutSubscription(state, index);
    return ReasonCode.Success;
  });
  // At level 4 UNSUBACK has no payload (v3.1.1 §3.11.3).
  const { packetId } = unsubscribe;
  return { packetId, reasonCodes: level === 4 ? [] : reasonCodes, state, foreignCount: 0 };
}
