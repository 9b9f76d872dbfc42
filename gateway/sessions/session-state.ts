// SPDX-License-Identifier: Apache-2.0
/** The state bits of a session, one 16-bit word a slot in the session table. */

export const SessionState = {
  /** The slot belongs to a connection. */
  Taken: 0x01,
  /** The device is authenticated and accepted: there is a session. */
  Open: 0x02,
  /** The center granted the session: its fence is known. */
  Granted: 0x04,
  /** The center said that the device is not critical. */
  Ordinary: 0x2000,
  /** The device was told to send heartbeats less often. */
  Slowed: 0x4000,
} as const;

/** First of the ten subscription bits: two for each row of `sessions/subscriptions.ts`. */
export const SUBSCRIPTION_SHIFT = 3;
