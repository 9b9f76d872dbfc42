// SPDX-License-Identifier: Apache-2.0
/** `muster token list`. */
import type { Command } from "commander";
import { declareListTokens } from "../../list-tokens.ts";
import type { Shell } from "../../shell.ts";

export function declare(command: Command, shell: Shell): void {
  declareListTokens(command, shell, "muster token list");
}
