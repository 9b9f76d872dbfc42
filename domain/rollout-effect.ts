// SPDX-License-Identifier: Apache-2.0
/** What the rollout engine wants done; the center does it once the step is stored. */
import type { AskAnalysis } from "./analysis-step.ts";
import type { RolloutState } from "./rollout.ts";
import type { WindowOpened } from "./zone-progress.ts";

export type RolloutEffect =
  | AskAnalysis
  /** Devices of this wave (index) may be offered from now on. */
  | { readonly kind: "open-wave"; readonly wave: number }
  /** Tell every gateway; offers that have left are withdrawn where not accepted. */
  | { readonly kind: "raise-stop-epoch"; readonly stopEpoch: number }
  /** Pending attempts become `cancelled`. */
  | { readonly kind: "cancel-pending" }
  /** Pending attempts become `unreachable`: the tail is given up. */
  | { readonly kind: "give-up-pending" }
  /** Pending and offered attempts become `unreachable` or `cancelled`. */
  | { readonly kind: "close-unaccepted"; readonly as: "unreachable" | "cancelled" }
  /** Create and start the child rollout that puts exposed devices back. */
  | { readonly kind: "begin-rollback" }
  /** The time in which it was closed is taken out of the deadlines of those that waited. */
  | WindowOpened
  | { readonly kind: "ended"; readonly state: RolloutState };
