// SPDX-License-Identifier: Apache-2.0
/** What pause, resume and stop have in common: one call, one sentence, the rollout as data. */
import type { Command } from "commander";
import { RolloutSchema, type Rollout } from "../protocol/gen/muster/v1/deploy_pb.ts";
import { openSession, type Session } from "./client.ts";
import { addExamples, type Example } from "./command.ts";
import {
  addConnectionOptions,
  addOutputOption,
  addReasonOption,
  type ConnectionOptions,
  type OutputOptions,
  type ReasonOptions,
} from "./options.ts";
import type { OutputFormat } from "./output/format.ts";
import { toPlainData } from "./output/plain-data.ts";
import { printObject } from "./output/print.ts";
import { required } from "./required.ts";
import type { Shell } from "./shell.ts";
import { rolloutState } from "./views/rollouts.ts";

/** What every change of a rollout sends. */
export interface RolloutChangeRequest {
  readonly mutation: { idempotencyKey: string; reason: string };
  readonly tenant: string;
  readonly name: string;
}

type Options = ConnectionOptions & OutputOptions & ReasonOptions;

/** Declares a command `<name>` that makes one change. */
export function declareRolloutChange(
  command: Command,
  shell: Shell,
  change: {
    readonly examples: readonly Example[];
    readonly call: (
      session: Session,
      request: RolloutChangeRequest,
    ) => Promise<{ rollout?: Rollout | undefined }>;
  },
): void {
  command.argument("<name>", "name of the rollout");
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, change.examples);
  command.action(async (name: string, options: Options) => {
    const session = await openSession(shell, options);
    const request = { mutation: session.mutation(options.reason), tenant: session.tenant, name };
    const response = await change.call(session, request);
    await printRollout(shell, required(response.rollout, "rollout"), options.output);
  });
}

/** The rollout after a change: one sentence, or all of it as data. */
export async function printRollout(
  shell: Shell,
  rollout: Rollout,
  format: OutputFormat,
): Promise<void> {
  await printObject({
    shell,
    format,
    data: toPlainData(RolloutSchema, rollout),
    human: () => [rolloutSentence(rollout)],
  });
}

/** "rollout shop-1.4 is paused: an operator asked for it". */
export function rolloutSentence(rollout: Rollout): string {
  const because = rollout.stateReason === "" ? "" : `: ${rollout.stateReason}`;
  const state = rolloutState(rollout);
  return `rollout ${rollout.name} ${STATE_PHRASES[state] ?? `is ${state}`}${because}`;
}

/** Where "is STATE" does not read well. */
const STATE_PHRASES: { readonly [state: string]: string } = {
  draft: "is a draft",
  succeeded: "has succeeded",
  expired: "has expired",
  "rolling-back": "is rolling back",
  "rolled-back": "is rolled back",
  "awaiting-approval": "awaits approval",
};
