// SPDX-License-Identifier: Apache-2.0
/**
 * How a device may write its heartbeats. Hello, reports and whatever goes to the device are JSON,
 * for they are rare and people read them.
 */
export const CODECS = ["json", "protobuf"] as const;
export type CodecName = (typeof CODECS)[number];
