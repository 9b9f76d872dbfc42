// SPDX-License-Identifier: Apache-2.0
/** A device never goes back to an older generation of a slot, and does no generation twice. */
import { timeOf } from "./device-attempts.ts";
import type { Checker, Violation } from "./history.ts";

/** What a device accepts in a slot only ever grows. */
export const checkGenerations: Checker = ({ journal }) => {
  const highest = new Map<string, number>();
  const violations: Violation[] = [];
  for (const entry of journal) {
    if (entry.op !== "accept") continue;
    const { device, slot, generation, at } = entry;
    const key = `${device} ${slot}`;
    const before = highest.get(key) ?? 0;
    if (generation <= before) {
      const story =
        `${device} accepted generation ${generation} for slot ${slot} at ${timeOf(at)}, after ` +
        `generation ${before}`;
      violations.push({ invariant: "generations", story });
    }
    highest.set(key, Math.max(before, generation));
  }
  return violations;
};

/** A device switches to a release at most once under each generation. */
export const checkActivations: Checker = ({ journal }) => {
  const activatedAt = new Map<string, number>();
  const violations: Violation[] = [];
  for (const entry of journal) {
    if (entry.op !== "activate") continue;
    const { device, slot, generation, at } = entry;
    const key = `${device} ${slot} ${generation}`;
    const before = activatedAt.get(key);
    if (before !== undefined) {
      const story =
        `${device} activated generation ${generation} of slot ${slot} at ${timeOf(before)} and ` +
        `again at ${timeOf(at)}`;
      violations.push({ invariant: "activations", story });
    }
    activatedAt.set(key, at);
  }
  return violations;
};
