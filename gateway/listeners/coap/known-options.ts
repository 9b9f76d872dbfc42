// SPDX-License-Identifier: Apache-2.0
/** The options of a request that the gateway acts on, or may pass over though they are critical. */
import { OptionNumber } from "../../../protocol/coap/options.ts";

export const KNOWN_OPTIONS: ReadonlySet<number> = new Set([
  // One gateway is one server: whatever name it was asked by.
  OptionNumber.UriHost,
  OptionNumber.UriPort,
  OptionNumber.Observe,
  OptionNumber.UriPath,
  OptionNumber.ContentFormat,
  OptionNumber.UriQuery,
  OptionNumber.Accept,
  OptionNumber.Block2,
  OptionNumber.Block1,
  OptionNumber.ProxyUri,
  OptionNumber.ProxyScheme,
  OptionNumber.Echo,
  OptionNumber.NoResponse,
]);
