// SPDX-License-Identifier: Apache-2.0
/** What pretend devices say and hear, as JSON. */
import { MAX_OFFER_BYTES } from "../../protocol/device/offer.ts";

export function encode(message: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(message), "utf8");
}

/** Null when it is too large or not JSON: every schema refuses null. */
export function parse(payload: Uint8Array): unknown {
  if (payload.byteLength > MAX_OFFER_BYTES) return null;
  try {
    return JSON.parse(Buffer.from(payload).toString("utf8"));
  } catch {
    return null;
  }
}
