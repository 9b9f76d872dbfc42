// SPDX-License-Identifier: Apache-2.0
/**
 * The grammar of topic names and topic filters (§4.7, §4.8.2). Encoding (UTF-8, no U+0000) has been
 * checked before, by `PacketReader.string`. Case and empty levels matter; nothing is normalised.
 */

/** Why a name or filter is refused: the rule, and a sentence. */
export interface TopicFault {
  readonly clause: string;
  readonly message: string;
}

const EMPTY: TopicFault = {
  clause: "MQTT-4.7.3-1",
  message: "a topic name or filter must have at least one character",
};
const WILDCARD_IN_NAME: TopicFault = {
  clause: "MQTT-3.3.2-2",
  message: "a topic name must not contain + or #",
};
const TOO_DEEP: TopicFault = {
  clause: "limit maxTopicLevels",
  message: "a topic has more levels than this server accepts",
};
const MISPLACED_HASH: TopicFault = {
  clause: "MQTT-4.7.1-1",
  message: "# must be the last character of a filter and a whole level",
};
const MISPLACED_PLUS: TopicFault = {
  clause: "MQTT-4.7.1-2",
  message: "+ must be a whole level of a filter",
};
const SHARE_NAME_MISSING: TopicFault = {
  clause: "MQTT-4.8.2-1",
  message: "a shared subscription must name its group: $share/{group}/{filter}",
};
const SHARE_NAME_WRONG: TopicFault = {
  clause: "MQTT-4.8.2-2",
  message: "a group of a shared subscription must not contain + or #, and a filter must follow it",
};

const SLASH = 0x2f;
const PLUS = 0x2b;
const HASH = 0x23;
const SHARE_PREFIX = "$share/";

/** True for `$share/…`, which means a shared subscription at level 5. */
export function isSharedFilter(filter: string): boolean {
  return filter.startsWith(SHARE_PREFIX);
}

/** Null when `topic` may be published to. */
export function topicNameFault(topic: string, maxTopicLevels: number): TopicFault | null {
  if (topic.length === 0) return EMPTY;
  let levelCount = 1;
  for (let index = 0; index < topic.length; index++) {
    const character = topic.charCodeAt(index);
    if (character === SLASH) levelCount++;
    else if (character === PLUS || character === HASH) return WILDCARD_IN_NAME;
  }
  return levelCount > maxTopicLevels ? TOO_DEEP : null;
}

/** Null when `filter` may be subscribed to; the prefix `$share/{group}/` counts no levels. */
export function topicFilterFault(
  filter: string,
  maxTopicLevels: number,
  sharingAllowed: boolean,
): TopicFault | null {
  let start = 0;
  if (sharingAllowed && isSharedFilter(filter)) {
    const groupEnd = filter.indexOf("/", SHARE_PREFIX.length);
    if (groupEnd === SHARE_PREFIX.length || filter.length === SHARE_PREFIX.length) {
      return SHARE_NAME_MISSING;
    }
    const group = filter.slice(SHARE_PREFIX.length, groupEnd === -1 ? undefined : groupEnd);
    const followed = groupEnd !== -1 && groupEnd + 1 < filter.length;
    if (!followed || group.includes("+") || group.includes("#")) return SHARE_NAME_WRONG;
    start = groupEnd + 1;
  }
  return wildcardFault(filter, start, maxTopicLevels);
}

function wildcardFault(filter: string, start: number, maxTopicLevels: number): TopicFault | null {
  if (filter.length === start) return EMPTY;
  let levelCount = 1;
  for (let index = start; index < filter.length; index++) {
    const character = filter.charCodeAt(index);
    if (character === SLASH) {
      levelCount++;
      continue;
    }
    if (character !== PLUS && character !== HASH) continue;
    const startsLevel = index === start || filter.charCodeAt(index - 1) === SLASH;
    const isLast = index + 1 === filter.length;
    if (character === HASH && !(startsLevel && isLast)) return MISPLACED_HASH;
    const endsLevel = isLast || filter.charCodeAt(index + 1) === SLASH;
    if (character === PLUS && !(startsLevel && endsLevel)) return MISPLACED_PLUS;
  }
  return levelCount > maxTopicLevels ? TOO_DEEP : null;
}
