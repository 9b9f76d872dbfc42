// SPDX-License-Identifier: Apache-2.0
/** Whether a message is an offer of the center, as a port: nothing unverified gets past it. */
import type { OfferPayload } from "../../protocol/device/offer.ts";

export type GateVerdict =
  /** Signed by the center. Whether it is for this device and still good is asked next. */
  | { readonly kind: "signed"; readonly offer: OfferPayload }
  | { readonly kind: "untrusted"; readonly detail: string };

export interface OfferGate {
  /** `message`: parsed JSON. May ask for newly announced keys, so it takes a signal. */
  verify(message: unknown, signal: AbortSignal): Promise<GateVerdict>;
}
