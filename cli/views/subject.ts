// SPDX-License-Identifier: Apache-2.0
/** What a rollout brings, in a few words. */
import type { RolloutSpec } from "../../protocol/gen/muster/v1/deploy_pb.ts";

const MAX_CHARACTERS = 60;

export function subjectText(spec: RolloutSpec | undefined): string {
  const command = spec?.command;
  if (command === undefined) {
    const configuration = spec?.configuration ?? "";
    return configuration === "" ? (spec?.release ?? "") : `configuration ${configuration}`;
  }
  if (command.builtIn !== "") return `command ${command.builtIn}`;
  const text = command.script === "" ? command.run.join(" ") : firstLine(command.script);
  return `command ${text.length > MAX_CHARACTERS ? `${text.slice(0, MAX_CHARACTERS)}…` : text}`;
}

/** The first line that says something. */
export function firstLine(text: string): string {
  return text.split("\n").find((line) => line.trim() !== "") ?? "";
}
