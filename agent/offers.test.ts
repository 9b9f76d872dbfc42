// SPDX-License-Identifier: Apache-2.0
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { OfferPayload } from "../protocol/device/offer.ts";
import type { DeviceReport } from "../protocol/device/report.ts";
import { judgeOffer } from "./offers.ts";
import type { OfferCircumstances } from "./offers.ts";
import { EMPTY_SLOT } from "./state/journal-state.ts";
import type { AttemptState } from "./state/journal-state.ts";

const offer: OfferPayload = {
  type: "muster.offer/v1",
  tenant: "default",
  device: "device-1",
  rollout: 1,
  rolloutName: "r",
  position: 0,
  generation: 10,
  stopEpoch: 0,
  slot: "app",
  action: "remove",
  nonce: "n".repeat(22),
  issuedAtMs: 0,
  expiresAtMs: 2_000,
};
const attempt: AttemptState = {
  offer,
  from: "none",
  steps: [],
  stepIndex: 0,
  furthestIndex: 0,
  startCount: 0,
  phase: "accepted",
  undoing: null,
  outcome: null,
};
const answer: DeviceReport = {
  rollout: 1,
  position: 0,
  generation: 10,
  sequence: 3,
  phase: "installed",
};

function verdict(changes: Partial<OfferCircumstances>): string {
  const judged = judgeOffer({
    offer,
    slot: EMPTY_SLOT,
    queued: null,
    tenant: "default",
    device: "device-1",
    isWithdrawn: false,
    nowMs: 1_000,
    ...changes,
  });
  return judged.kind === "refuse" ? judged.reason : judged.kind;
}

describe("a verified offer", () => {
  it("is taken up when it is newer than everything", () => {
    assert.equal(verdict({}), "take");
    assert.equal(verdict({ slot: { ...EMPTY_SLOT, highestGeneration: 9 } }), "take");
  });
  it("is refused when it is another's, whatever else it says", () => {
    assert.equal(verdict({ device: "device-2" }), "not-for-this-device");
    assert.equal(verdict({ tenant: "other", isWithdrawn: true }), "not-for-this-device");
  });
  it("is known while it is under way or waits its turn, even after its expiry", () => {
    assert.equal(verdict({ slot: { ...EMPTY_SLOT, attempt }, nowMs: 9_999 }), "known");
    assert.equal(verdict({ queued: offer }), "known");
  });
  it("is answered as before when it was answered, even when it is withdrawn", () => {
    const slot = { ...EMPTY_SLOT, highestGeneration: 10, answer };
    assert.equal(verdict({ slot, isWithdrawn: true }), "repeat");
  });
  it("is refused when something newer was accepted, waits or was answered", () => {
    assert.equal(verdict({ slot: { ...EMPTY_SLOT, highestGeneration: 11 } }), "older-generation");
    assert.equal(verdict({ queued: { ...offer, generation: 11 } }), "older-generation");
    const newer = { ...answer, generation: 11, phase: "rejected" } as const;
    assert.equal(verdict({ slot: { ...EMPTY_SLOT, answer: newer } }), "older-generation");
  });
  it("of the accepted generation whose answer is lost is not begun a second time", () => {
    assert.equal(verdict({ slot: { ...EMPTY_SLOT, highestGeneration: 10 } }), "older-generation");
  });
  it("is refused when it was withdrawn or has expired", () => {
    assert.equal(verdict({ isWithdrawn: true }), "withdrawn");
    assert.equal(verdict({ nowMs: 2_000 }), "expired");
  });
  it("is refused when it asks to install nothing", () => {
    assert.equal(verdict({ offer: { ...offer, action: "install" } }), "untrusted-offer");
  });
});
