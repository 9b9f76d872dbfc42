// SPDX-License-Identifier: Apache-2.0
/** `muster rollout explain NAME [--device ID]`. */
import type { Command } from "commander";
import {
  RolloutState,
  type Attempt,
  type Rollout,
  type RolloutProgress,
  type SliceProgress,
} from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { openSession, type Session } from "../../client.ts";
import { addExamples } from "../../command.ts";
import {
  addConnectionOptions,
  addOutputOption,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { printObject } from "../../output/print.ts";
import { explainDevice } from "../../explain-device.ts";
import { required } from "../../required.ts";
import { rolloutSentence } from "../../rollout-change.ts";
import type { Shell } from "../../shell.ts";
import { countIn, stateCounts } from "../../views/amounts.ts";
import { waitLines } from "../../views/conflicts.ts";
import { FAILED_ATTEMPTS } from "../../views/rollouts.ts";

type Options = ConnectionOptions & OutputOptions & { readonly device?: string };

/** Failures that are looked at for their reasons. */
const FAILURE_SAMPLE = 200;

export function declare(command: Command, shell: Shell): void {
  command
    .argument("<name>", "name of the rollout")
    .option("--device <id>", "explain this device of the rollout");
  addOutputOption(command);
  addConnectionOptions(command);
  addExamples(command, [
    ["muster rollout explain shop-1.4", "Why it is in its state, and what it waits for"],
    ["muster rollout explain shop-1.4 --device till-0042", "Why this device is not moving"],
  ]);
  command.action(async (name: string, options: Options) => {
    const session = await openSession(shell, options);
    if (options.device !== undefined) {
      const { device, output } = options;
      await explainDevice({ shell, session, id: device, rollout: name, format: output });
      return;
    }
    const response = await session.client.getRollout(
      { tenant: session.tenant, name },
      session.call,
    );
    const rollout = required(response.rollout, "rollout");
    const sentence = rolloutSentence(rollout);
    const facts = [...factsOf(rollout), ...(await failureFacts(session, rollout))];
    await printObject({
      shell,
      format: options.output,
      data: { sentence, facts },
      human: () => [sentence, ...facts.map((fact) => `  ${fact}`)],
    });
  });
}

function factsOf(rollout: Rollout): string[] {
  const { plan, progress } = rollout;
  if (rollout.state === RolloutState.DRAFT) {
    return [`It has no plan yet: muster rollout plan ${rollout.name}`];
  }
  if (rollout.state === RolloutState.AWAITING_APPROVAL) {
    return [`Another operator must approve it: muster rollout approve ${rollout.name}`];
  }
  if (rollout.state === RolloutState.PLANNED) {
    return [`It is not started: muster rollout start ${rollout.name}`];
  }
  if (plan === undefined || progress === undefined) return [];
  const facts = [
    `wave ${progress.wave} of ${plan.waves.length}; ${stateCounts(progress.byState)}`,
    `the gate has seen ${progress.accepted} accepted and ${progress.failures} failed`,
  ];
  facts.push(...waitLines(progress), ...gateFacts(progress));
  if (progress.unproven >= plan.blastRadiusBound) {
    facts.push(
      `${progress.unproven} devices are unproven, which is the whole blast radius: ` +
        "nothing more is offered until some are proven",
    );
  }
  if (progress.window > 0) {
    facts.push(`${progress.window} devices may be in flight now, as the attempts have gone so far`);
  }
  const maxInFlight = progress.window === 0 ? plan.maxInFlight : progress.window;
  if (progress.inFlight >= maxInFlight && maxInFlight > 0) {
    facts.push(`${progress.inFlight} devices are in flight, which is the limit`);
  }
  if (rollout.state === RolloutState.PAUSED) {
    facts.push(`go on: muster rollout resume ${rollout.name}`);
  }
  return facts;
}

/** What the gate tells apart: sites, slices that are held, and the worst of the others. */
function gateFacts({ sitesAccepted, sitesFailed, slices }: RolloutProgress): string[] {
  const facts = sitesFailed === 0 ? [] : [`at ${sitesFailed} of ${sitesAccepted} sites one failed`];
  for (const { name, heldBecause } of slices) {
    if (heldBecause !== "") facts.push(`slice ${name} is held: ${heldBecause}`);
  }
  const share = ({ failures, accepted }: SliceProgress): number => failures / accepted;
  const others = slices.filter(({ heldBecause, failures }) => heldBecause === "" && failures > 0);
  const [worst] = others.sort((left, right) => share(right) - share(left));
  if (worst !== undefined) {
    facts.push(`worst slice: ${worst.name}, ${worst.failures} of ${worst.accepted} failed`);
  }
  return facts;
}

/** The reasons of failures, the most frequent first. */
async function failureFacts(session: Session, rollout: Rollout): Promise<string[]> {
  const byState = rollout.progress?.byState ?? {};
  if (countIn(byState, FAILED_ATTEMPTS) === 0) return [];
  const failed: Attempt[] = [];
  for (const state of FAILED_ATTEMPTS.filter((name) => (byState[name] ?? 0) > 0)) {
    const { attempts } = await session.client.listAttempts(
      { tenant: session.tenant, rollout: rollout.name, state, pageSize: FAILURE_SAMPLE },
      session.call,
    );
    failed.push(...attempts);
  }
  const groups = Map.groupBy(failed, ({ state, reason }) =>
    reason === "" ? state : `${state}: ${reason}`,
  );
  return [...groups]
    .sort(([, left], [, right]) => right.length - left.length)
    .slice(0, 5)
    .map(([reason, attempts]) => `${attempts.length} ${reason}, as on ${attempts[0]?.device}`);
}
