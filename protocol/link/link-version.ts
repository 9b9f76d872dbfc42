// SPDX-License-Identifier: Apache-2.0
/**
 * What the two ends of a GatewayLink stream understand of each other: the gateway says it in its
 * hello, the center in its welcome, and each sends the other what it takes. 0 is a program from
 * before there was a version.
 *
 * 1: offers of a lease as one batch; reports and device states in packed columns.
 */
export const LINK_VERSION = 1;
