// SPDX-License-Identifier: Apache-2.0
/**
 * What to do with an offer whose signature was verified: pure. The order of the questions is the
 * order of their weight: whose is it, is it old, was it answered, is it still good.
 */
import type { OfferPayload } from "../protocol/device/offer.ts";
import type { DeviceReport, ReportReason } from "../protocol/device/report.ts";
import type { SlotState } from "./state/journal-state.ts";

export interface OfferCircumstances {
  readonly offer: OfferPayload;
  readonly slot: SlotState;
  /** A newer offer of the slot that waits its turn, or null. */
  readonly queued: OfferPayload | null;
  readonly tenant: string;
  readonly device: string;
  readonly isWithdrawn: boolean;
  /** Working time, milliseconds since 1970. */
  readonly nowMs: number;
}

export type OfferVerdict =
  /** Take it up: it is newer than all that the slot has accepted. */
  | { readonly kind: "take" }
  /** It is being worked on, or waits its turn: nothing new to say. */
  | { readonly kind: "known" }
  /** It was answered before: the same answer again. */
  | { readonly kind: "repeat"; readonly answer: DeviceReport }
  | { readonly kind: "refuse"; readonly reason: ReportReason; readonly detail: string };

export function judgeOffer(circumstances: OfferCircumstances): OfferVerdict {
  const { offer, slot, queued } = circumstances;
  const { generation } = offer;
  if (offer.tenant !== circumstances.tenant || offer.device !== circumstances.device) {
    return refuse("not-for-this-device", `the offer names ${offer.tenant}/${offer.device}`);
  }
  if (offer.action === "install" && offer.release === undefined) {
    return refuse("untrusted-offer", "the offer asks to install and names no release");
  }
  if (offer.action === "run" && (offer.command === undefined || offer.slot !== "command")) {
    return refuse("untrusted-offer", "the offer asks to run a command and has none");
  }
  if (slot.attempt?.offer.generation === generation || queued?.generation === generation) {
    return { kind: "known" };
  }
  if (slot.answer?.generation === generation) return { kind: "repeat", answer: slot.answer };
  const answered = slot.answer?.generation ?? 0; // Refused ones count: the center has moved on.
  const newest = Math.max(slot.highestGeneration, queued?.generation ?? 0, answered);
  if (generation <= newest) {
    const detail = `generation ${generation} is not newer than ${newest} in slot ${offer.slot}`;
    return refuse("older-generation", detail);
  }
  if (circumstances.isWithdrawn) return refuse("withdrawn", "the offer was withdrawn");
  if (offer.expiresAtMs <= circumstances.nowMs) {
    const expiry = new Date(offer.expiresAtMs).toISOString();
    return refuse("expired", `the offer was good until ${expiry}`);
  }
  return { kind: "take" };
}

/** The report that refuses an offer. */
export function refusal(options: {
  offer: OfferPayload;
  reason: ReportReason;
  detail: string;
  digest: string;
}): Omit<DeviceReport, "sequence"> {
  const { offer, reason, detail, digest } = options;
  const { rollout, position, generation } = offer;
  return { rollout, position, generation, phase: "rejected", reason, detail, digest };
}

function refuse(reason: ReportReason, detail: string): OfferVerdict {
  return { kind: "refuse", reason, detail };
}
