// SPDX-License-Identifier: Apache-2.0
/** `muster rollout pause NAME`. */
import type { Command } from "commander";
import { declareRolloutChange } from "../../rollout-change.ts";
import type { Shell } from "../../shell.ts";

export function declare(command: Command, shell: Shell): void {
  declareRolloutChange(command, shell, {
    examples: [
      [
        'muster rollout pause shop-1.4 --reason "shop opens at nine"',
        "Offer nothing more, at the gateways too",
      ],
      ["muster rollout resume shop-1.4", "Go on later"],
    ],
    call: (session, request) => session.client.pauseRollout(request, session.call),
  });
}
