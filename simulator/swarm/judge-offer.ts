// SPDX-License-Identifier: Apache-2.0
/**
 * What a device does with an offer that the center signed: pure. Whose is it, is it old, was it
 * answered, is it still good, does the release fit.
 */
import type { OfferPayload } from "../../protocol/device/offer.ts";
import type { ReleaseManifest } from "../../protocol/device/release-manifest.ts";
import type { DeviceReport, ReportReason } from "../../protocol/device/report.ts";
import type { RefusedWork } from "./model-effects.ts";

export type OfferJudgement =
  | { readonly kind: "take" }
  /** It is being worked on. */
  | { readonly kind: "known" }
  | { readonly kind: "repeat"; readonly answer: DeviceReport }
  | RefusedWork;

export function judgeOffer(circumstances: {
  readonly offer: OfferPayload;
  readonly tenant: string;
  readonly device: string;
  /** Newest that the slot has accepted. */
  readonly highestGeneration: number;
  /** Generations under way: accepted, or being prepared. */
  readonly underWay: readonly number[];
  /** The slot's last word. */
  readonly answer: DeviceReport | null;
  readonly isWithdrawn: boolean;
  readonly nowMs: number;
}): OfferJudgement {
  const { offer, underWay, answer, highestGeneration } = circumstances;
  const { generation } = offer;
  if (offer.tenant !== circumstances.tenant || offer.device !== circumstances.device) {
    return refused("not-for-this-device", `the offer names ${offer.tenant}/${offer.device}`);
  }
  if (underWay.includes(generation)) return { kind: "known" };
  if (answer?.generation === generation) return { kind: "repeat", answer };
  const newest = Math.max(highestGeneration, answer?.generation ?? 0, ...underWay);
  if (generation <= newest) {
    return refused("older-generation", `generation ${generation} is not newer than ${newest}`);
  }
  return judgeStillGood(circumstances) ?? { kind: "take" };
}

/** Asked again when the offer has been prepared. */
export function judgeStillGood(circumstances: {
  readonly offer: OfferPayload;
  readonly isWithdrawn: boolean;
  readonly nowMs: number;
}): RefusedWork | null {
  if (circumstances.isWithdrawn) return refused("withdrawn", "the offer was withdrawn");
  if (circumstances.nowMs <= circumstances.offer.expiresAtMs) return null;
  return refused("expired", "the offer is over");
}

/** Null when the release is what the offer says, and for this device. */
export function misfit(
  offer: OfferPayload,
  manifest: ReleaseManifest,
  inventory: { readonly [fact: string]: string },
): RefusedWork | null {
  const { name, version, tenant, slot } = manifest;
  const isNamed = name === offer.release?.name && version === offer.release.version;
  if (!isNamed || tenant !== offer.tenant || slot !== offer.slot) {
    return refused("untrusted-release", `the manifest is that of ${tenant}/${name} ${version}`);
  }
  for (const [fact, allowed] of Object.entries(manifest.fits)) {
    const own = inventory[fact];
    if (own !== undefined && allowed.includes(own)) continue;
    return refused("does-not-fit", `the release fits ${fact} = ${allowed.join(" or ")}`);
  }
  return null;
}

export function refused(reason: ReportReason, detail: string): RefusedWork {
  return { kind: "refused", reason, detail };
}
