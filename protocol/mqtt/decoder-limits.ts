// SPDX-License-Identifier: Apache-2.0
/**
 * What a decoder accepts beyond the rules of MQTT. Each limit bounds what one connection can cost
 * before anything about it is trusted; the specification alone allows 256 MiB a packet.
 */
export interface DecoderLimits {
  /**
   * Whole packets, fixed header included. A PUBLISH carries offers, reports and log lines, never
   * artifacts; the largest, a report with a failure's output, is below 256 KiB.
   */
  readonly maxPacketBytes: number;
  /**
   * The same before CONNECT (at the server) or CONNACK (at the client): nobody is known yet. Holds
   * the longest identity and certificate names and a will.
   */
  readonly maxConnectBytes: number;
  /**
   * Levels of a topic name or filter. `muster/v1/{tenant}/{device}/{up|down}/{channel}` has six; a
   * router walks its tree once a level.
   */
  readonly maxTopicLevels: number;
  /** Of one packet: each is two strings to allocate. */
  readonly maxUserProperties: number;
  /** Filters of one SUBSCRIBE or UNSUBSCRIBE: a device needs three. */
  readonly maxSubscriptions: number;
}

export const DEFAULT_DECODER_LIMITS: DecoderLimits = {
  maxPacketBytes: 262_144,
  maxConnectBytes: 4_096,
  maxTopicLevels: 16,
  maxUserProperties: 16,
  maxSubscriptions: 32,
};
