// SPDX-License-Identifier: Apache-2.0
/**
 * The audit log is a whole chain, and tells the life of every rollout: each transition once, in an
 * order in which it can have happened, and ending where the rollout is.
 *
 *     create → plan → start → open-wave … → withhold-offers → (resume → …) → end
 *
 * An ended rollout may be rolled back: it withholds and ends again.
 */
import { isEnded } from "../../domain/rollout.ts";
import { FIRST_PREVIOUS_HASH, verifyAudit } from "../../ports/audit-chain.ts";
import type { AuditEntry } from "../../ports/store.ts";
import { nameOf } from "./device-attempts.ts";
import type { Checker, RolloutHistory, Violation } from "./history.ts";

const INVARIANT = "audit";

export const checkAudit: Checker = (history) => {
  const verdict = verifyAudit(history.audit, FIRST_PREVIOUS_HASH);
  const violations: Violation[] = verdict.ok
    ? []
    : [
        {
          invariant: INVARIANT,
          story: `entry ${verdict.sequence} of the audit log is ${verdict.reason}`,
        },
      ];
  for (const rollout of history.rollouts) {
    const subject = `rollout/${rollout.tenant}/${rollout.name}`;
    const life = new Life(rollout);
    for (const entry of history.audit) if (entry.subject === subject) life.take(entry);
    life.end();
    for (const story of life.stories) violations.push({ invariant: INVARIANT, story });
  }
  return violations;
};

type Stage = "new" | "created" | "planned" | "running" | "withheld" | "ended";

/** Where each action may come, and where it leads; what is not named changes nothing. */
const TRANSITIONS: {
  readonly [action: string]: { readonly from: readonly Stage[]; readonly to: Stage };
} = {
  "rollout.create": { from: ["new"], to: "created" },
  "rollout.plan": { from: ["created"], to: "planned" },
  "rollout.start": { from: ["planned"], to: "running" },
  "rollout.open-wave": { from: ["running"], to: "running" },
  // A pause, then a stop, withhold twice; an ended rollout is stopped again by its rollback.
  "rollout.withhold-offers": { from: ["running", "withheld", "ended"], to: "withheld" },
  "rollout.resume": { from: ["withheld"], to: "running" },
  "rollout.end": { from: ["running", "withheld"], to: "ended" },
};

class Life {
  readonly stories: string[] = [];
  readonly #rollout: RolloutHistory;
  #stage: Stage;
  #waveCount = 0;
  #endState = "";

  constructor(rollout: RolloutHistory) {
    this.#rollout = rollout;
    // A rollback is not created by anybody: it is planned by its parent.
    this.#stage = rollout.parent === "" ? "new" : "created";
  }

  take(entry: AuditEntry): void {
    const transition = TRANSITIONS[entry.action];
    if (transition === undefined) return;
    const name = nameOf(this.#rollout);
    if (!transition.from.includes(this.#stage)) {
      this.stories.push(
        `entry ${entry.sequence} says ${entry.action} of ${name}, which was ${this.#stage}`,
      );
    }
    this.#stage = transition.to;
    if (entry.action === "rollout.open-wave") this.#openWave(entry);
    if (entry.action === "rollout.end") this.#endState = stateIn(entry);
  }

  end(): void {
    const { state, waveCount } = this.#rollout;
    const name = nameOf(this.#rollout);
    if (this.#waveCount !== waveCount) {
      this.stories.push(
        `the audit log opens ${this.#waveCount} waves of ${name}, which has opened ${waveCount}`,
      );
    }
    if (isEnded(state) && this.#endState !== state) {
      const told = this.#endState === "" ? "no end" : `the end ${this.#endState}`;
      this.stories.push(`the audit log tells ${told} of ${name}, which is ${state}`);
    }
  }

  #openWave(entry: AuditEntry): void {
    this.#waveCount++;
    if (entry.reason === `wave ${this.#waveCount}`) return;
    this.stories.push(
      `entry ${entry.sequence} opens ${entry.reason} of ${nameOf(this.#rollout)}; ` +
        `wave ${this.#waveCount} is next`,
    );
  }
}

function stateIn({ detail }: AuditEntry): string {
  if (detail === null || typeof detail !== "object" || !("state" in detail)) return "";
  return typeof detail.state === "string" ? detail.state : "";
}
