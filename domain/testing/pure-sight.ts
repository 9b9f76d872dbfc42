// SPDX-License-Identifier: Apache-2.0
/** What the pure center knows of a device's slot, in the words of the sweep. */
import { UNKNOWN_RELEASE } from "../attempt-page.ts";
import { EVIDENCE } from "../attempt-sweep.ts";
import type { RunningSight } from "../own-previous.ts";
import { needsEvidence } from "../subject.ts";
import type { Told } from "./center-hooks.ts";
import type { PureRollout } from "./pure-rollout.ts";

/** One of EVIDENCE. */
export function evidenceAt(
  { rollout, position, previous }: { rollout: PureRollout; position: number; previous: number },
  { presence, slots }: Told,
): number {
  const { release, healthy } = slots[rollout.slot];
  if (presence === "unknown") return EVIDENCE.unknown;
  if (!needsEvidence(rollout.frame.spec)) return EVIDENCE.none;
  if (presence === "offline") return EVIDENCE.none;
  const target = rollout.targetAt(position);
  if (release === target) return healthy || target === 0 ? EVIDENCE.target : EVIDENCE.none;
  return previous !== UNKNOWN_RELEASE && release === previous ? EVIDENCE.previous : EVIDENCE.none;
}

export function runningAt(
  rollout: PureRollout,
  position: number,
  { presence, slots }: Told,
): RunningSight {
  const runs = presence === "online" ? slots[rollout.slot].release : -1;
  return { runs, target: rollout.targetAt(position) };
}
