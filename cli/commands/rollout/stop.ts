// SPDX-License-Identifier: Apache-2.0
/** `muster rollout stop NAME`. */
import type { Command } from "commander";
import { declareRolloutChange } from "../../rollout-change.ts";
import type { Shell } from "../../shell.ts";

export function declare(command: Command, shell: Shell): void {
  declareRolloutChange(command, shell, {
    examples: [
      [
        'muster rollout stop shop-1.4 --reason "wrong release"',
        "End it; devices keep what they have",
      ],
      ["muster rollout rollback shop-1.4", "Put its devices back instead"],
    ],
    call: (session, request) => session.client.stopRollout(request, session.call),
  });
}
