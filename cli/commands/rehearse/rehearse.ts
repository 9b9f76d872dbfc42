// SPDX-License-Identifier: Apache-2.0
/** `muster rehearse -f rollout.yaml` and `muster rehearse NAME`. */
import { InvalidArgumentError, type Command } from "commander";
import { MusterError } from "../../../domain/errors.ts";
import type { RehearsalOutline, RehearsalPlay } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { openSession, type Session } from "../../client.ts";
import { addExamples } from "../../command.ts";
import { loadDocuments } from "../../documents/load-documents.ts";
import { toRolloutSpec } from "../../documents/rollout-document.ts";
import {
  addConnectionOptions,
  addOutputOption,
  parseCount,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { formatElapsed } from "../../output/units.ts";
import { printObject, terminalWidth } from "../../output/print.ts";
import { createProgress } from "../../progress/progress.ts";
import { summarizePlays, type Rehearsal } from "../../rehearsal.ts";
import { checkSelectorOption } from "../../selector-option.ts";
import { required } from "../../required.ts";
import type { Shell } from "../../shell.ts";
import { rehearsalData, rehearsalLines } from "../../views/rehearsal.ts";

interface Options extends ConnectionOptions, OutputOptions {
  readonly file?: string;
  readonly breaks?: readonly number[];
  readonly breaksWhere: string;
  readonly silent: number;
  readonly runs: number;
  readonly seed: number;
}

type Request = Parameters<Session["client"]["rehearseRollout"]>[0];

export function declare(command: Command, shell: Shell): void {
  command
    .argument("[name]", "name of a rollout that was applied")
    .option("-f, --file <file>", "YAML file of a rollout, applied or not; - for standard input")
    .option(
      "--breaks <percent...>",
      "share of the devices that the release breaks; several give several lines",
      percentages,
    )
    .option("--breaks-where <selector>", "it breaks only devices that match", "")
    .option("--silent <percent>", "of those that break, how many never answer again", percent, 0)
    .option("--runs <count>", "plays a line; by the size of the fleet if left out", parseCount, 0)
    .option("--seed <number>", "the same seed gives the same plays", parseCount, 1);
  addOutputOption(command);
  addConnectionOptions(command);
  command.addHelpText(
    "after",
    "\nPlays the rollout on virtual time with the center's own rollout engine, against devices\n" +
      "that behave as this fleet did: how long installs took, in which hours each was online.\n" +
      "Nothing is changed.",
  );
  addExamples(command, [
    ["muster rehearse -f rollout.yaml", "How long it takes, how many a bad release would reach"],
    ["muster rehearse shop-1.4 --breaks 2 10 --silent 50", "Half of those that break fall silent"],
  ]);
  command.action(async (name: string | undefined, options: Options) => {
    checkSelectorOption(options.breaksWhere, "--breaks-where");
    const asked = await requestOf(shell, name, options);
    const session = await openSession(shell, options);
    const { request } = asked;
    const rehearsal = await rehearse(shell, session, {
      tenant: session.tenant,
      brokenPercents: [...(options.breaks ?? [])],
      brokenSelector: options.breaksWhere,
      silentPercent: options.silent,
      runCount: options.runs,
      seed: options.seed,
      ...request,
    });
    await printObject({
      shell,
      format: options.output,
      data: rehearsalData(asked.name, rehearsal),
      human: () => rehearsalLines(asked.name, rehearsal, terminalWidth(shell.stdout)),
    });
  });
}

async function requestOf(
  shell: Shell,
  name: string | undefined,
  { file }: Options,
): Promise<{ name: string; request: Request }> {
  if ((name === undefined) === (file === undefined)) {
    throw usage("name a rollout or give a file, and not both");
  }
  if (name !== undefined) return { name, request: { name } };
  const documents = await loadDocuments(shell, [file ?? ""]);
  const [loaded] = documents;
  if (documents.length !== 1 || loaded?.kind !== "rollout") {
    throw usage(`${file} holds ${documents.length} documents; give the file of one rollout`);
  }
  const { metadata } = loaded.document;
  const tenant = metadata.tenant === undefined ? {} : { tenant: metadata.tenant };
  const request = { name: metadata.name, spec: toRolloutSpec(loaded.document), ...tenant };
  return { name: metadata.name, request };
}

async function rehearse(shell: Shell, session: Session, request: Request): Promise<Rehearsal> {
  using progress = createProgress({
    stream: shell.stderr,
    isTty: shell.stderr.isTTY === true,
    clock: shell.clock,
  });
  const bar = progress.bar("plays", 0);
  let outline: RehearsalOutline | undefined;
  const plays: RehearsalPlay[] = [];
  for await (const { kind } of session.client.rehearseRollout(request, session.call)) {
    switch (kind.case) {
      case "outline":
        outline = kind.value;
        bar.setTotal(outline.playCount);
        break;
      case "progress":
        bar.update(plays.length, `${formatElapsed(Number(kind.value.virtualMs))} played`);
        break;
      case "play":
        plays.push(kind.value);
        bar.update(plays.length);
        break;
      case undefined: // Of a newer center: something that this version does not know.
    }
  }
  bar.finish();
  return { outline: required(outline, "outline"), cases: summarizePlays(plays) };
}

function percent(text: string): number {
  const value = Number(text.replace(/%$/, ""));
  if (text !== "" && value >= 0 && value <= 100) return value;
  throw new InvalidArgumentError("Give a percentage, 0 to 100.");
}

function percentages(text: string, before: readonly number[] = []): number[] {
  return [...before, percent(text)];
}

function usage(problem: string): MusterError {
  return new MusterError({ code: "invalid_argument", message: `cannot rehearse: ${problem}` });
}
