// SPDX-License-Identifier: Apache-2.0
/**
 * The options that Muster knows (RFC 7252 §5.10 and those that came later). The number says how to
 * treat one that a receiver does not know: odd is critical, a request that has it is refused; even
 * is elective and passed over (§5.4.6).
 */

export const OptionNumber = {
  IfMatch: 1,
  UriHost: 3,
  ETag: 4,
  IfNoneMatch: 5,
  /** RFC 7641. */
  Observe: 6,
  UriPort: 7,
  LocationPath: 8,
  /** RFC 8613. */
  Oscore: 9,
  UriPath: 11,
  ContentFormat: 12,
  MaxAge: 14,
  UriQuery: 15,
  Accept: 17,
  LocationQuery: 20,
  /** RFC 7959. */
  Block2: 23,
  Block1: 27,
  Size2: 28,
  ProxyUri: 35,
  ProxyScheme: 39,
  Size1: 60,
  /** RFC 9175. */
  Echo: 252,
  /** RFC 7967. */
  NoResponse: 258,
  /** RFC 9175. */
  RequestTag: 292,
} as const;

export interface OptionRule {
  readonly minBytes: number;
  readonly maxBytes: number;
  readonly isRepeatable: boolean;
}

/** What a value may be; one that is not is treated like an option nobody knows (§5.4.1, §5.4.3). */
export const OPTION_RULES: ReadonlyMap<number, OptionRule> = new Map([
  [OptionNumber.IfMatch, rule(0, 8, "repeatable")],
  [OptionNumber.UriHost, rule(1, 255)],
  [OptionNumber.ETag, rule(1, 8, "repeatable")],
  [OptionNumber.IfNoneMatch, rule(0, 0)],
  [OptionNumber.Observe, rule(0, 3)],
  [OptionNumber.UriPort, rule(0, 2)],
  [OptionNumber.LocationPath, rule(0, 255, "repeatable")],
  [OptionNumber.Oscore, rule(0, 255)],
  [OptionNumber.UriPath, rule(0, 255, "repeatable")],
  [OptionNumber.ContentFormat, rule(0, 2)],
  [OptionNumber.MaxAge, rule(0, 4)],
  [OptionNumber.UriQuery, rule(0, 255, "repeatable")],
  [OptionNumber.Accept, rule(0, 2)],
  [OptionNumber.LocationQuery, rule(0, 255, "repeatable")],
  [OptionNumber.Block2, rule(0, 3)],
  [OptionNumber.Block1, rule(0, 3)],
  [OptionNumber.Size2, rule(0, 4)],
  [OptionNumber.ProxyUri, rule(1, 1_034)],
  [OptionNumber.ProxyScheme, rule(1, 255)],
  [OptionNumber.Size1, rule(0, 4)],
  [OptionNumber.Echo, rule(1, 40)],
  [OptionNumber.NoResponse, rule(0, 1)],
  [OptionNumber.RequestTag, rule(0, 8, "repeatable")],
]);

function rule(minBytes: number, maxBytes: number, repeatable?: "repeatable"): OptionRule {
  return { minBytes, maxBytes, isRepeatable: repeatable !== undefined };
}

export function isCritical(optionNumber: number): boolean {
  return (optionNumber & 1) === 1;
}

/** RFC 7252 §12.3: of the payload. */
export const ContentFormat = {
  Text: 0,
  LinkFormat: 40,
  OctetStream: 42,
  Json: 50,
} as const;
