// SPDX-License-Identifier: Apache-2.0
/** `muster rollout resume NAME`. */
import type { Command } from "commander";
import { declareRolloutChange } from "../../rollout-change.ts";
import type { Shell } from "../../shell.ts";

export function declare(command: Command, shell: Shell): void {
  declareRolloutChange(command, shell, {
    examples: [
      ["muster rollout resume shop-1.4", "Go on where it paused"],
      ["muster rollout watch shop-1.4", "Follow it"],
    ],
    call: (session, request) => session.client.resumeRollout(request, session.call),
  });
}
