// SPDX-License-Identifier: Apache-2.0
/** What became of a message. */
export const IntakeResult = {
  /** Done: acknowledge it. */
  Taken: 0,
  /** The link's `acknowledge` follows with its ticket. */
  Held: 1,
  /** Not what the channel carries. */
  Malformed: 2,
  /** A bound is reached: close the session. */
  Full: 3,
} as const;
export type IntakeResult = (typeof IntakeResult)[keyof typeof IntakeResult];
