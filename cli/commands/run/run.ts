// SPDX-License-Identifier: Apache-2.0
/**
 * `muster run --selector SELECTOR -- CMD ARGUMENTS…`: a rollout of a command from beginning to end.
 * It is created, planned, started and followed; what each device answered is printed last.
 */
import { Option, InvalidArgumentError, type Command } from "commander";
import { isMusterError, MusterError } from "../../../domain/errors.ts";
import { BUILT_INS, MAX_COMMAND_BYTES, type BuiltIn } from "../../../domain/subject.ts";
import { parseAmount, type Amount } from "../../../domain/units.ts";
import { countOf } from "../../output/units.ts";
import type { Rollout } from "../../../protocol/gen/muster/v1/deploy_pb.ts";
import { openSession, type Session } from "../../client.ts";
import { addExamples } from "../../command.ts";
import { parseByteCount } from "../../documents/command-field.ts";
import { REST_WAVE } from "../../documents/field-types.ts";
import { toRolloutSpec, type RolloutDocument } from "../../documents/rollout-document.ts";
import { readBounded } from "../../files.ts";
import {
  addConnectionOptions,
  addOutputOption,
  addReasonOption,
  collect,
  durationOption,
  type ConnectionOptions,
  type OutputOptions,
  type ReasonOptions,
} from "../../options.ts";
import { required } from "../../required.ts";
import { rolloutSentence } from "../../rollout-change.ts";
import { checkSelectorOption } from "../../selector-option.ts";
import { note, type Shell } from "../../shell.ts";
import { rolloutState } from "../../views/rollouts.ts";
import { followRollout } from "../../watch-rollout.ts";
import { printAnswers } from "../../command-answers.ts";

type Options = ConnectionOptions &
  OutputOptions &
  ReasonOptions & {
    readonly selector: string;
    readonly name?: string;
    readonly script?: string;
    readonly builtIn?: BuiltIn;
    /** Milliseconds. */
    readonly timeout: number;
    readonly outputLimit: number;
    readonly wave?: readonly string[];
    readonly maxInFlight?: Amount;
    readonly maxFailures?: Amount;
  };

export function declare(command: Command, shell: Shell): void {
  command
    .argument("[command...]", "behind --: program and arguments, without a shell")
    .requiredOption("-l, --selector <selector>", "which devices; '' is every one")
    .option("--script <file>", "instead: a text of at most 4 KiB for the device's sh")
    .addOption(
      new Option("--built-in <name>", "instead: what every agent can do").choices(BUILT_INS),
    )
    .option("--name <name>", "of the rollout; default: run- and the time")
    .addOption(durationOption("--timeout <duration>", "then it is killed", "5m"))
    .addOption(
      new Option("--output-limit <size>", "kept of what a device prints, at most 64KiB")
        .argParser(reading(parseByteCount))
        .default(65_536, "64KiB"),
    )
    .option("--wave <size>", "a wave: 5, 10% or rest; more than once; default 1%, 10%", collect)
    .option("--max-in-flight <size>", "running at once; default 10%", reading(parseSize))
    .option("--max-failures <size>", "it pauses at so many; default 1%", reading(parseSize));
  addReasonOption(command);
  addOutputOption(command);
  addConnectionOptions(command);
  command.addHelpText(
    "after",
    "\nA device runs it at most once. Its owner may allow no commands, or built-in ones only.\n" +
      "Exit status 0: it ended with status 0 on every device.",
  );
  addExamples(command, [
    ["muster run -l 'label.ring = canary' -- df -h /data", "How full are the disks?"],
    ["muster run -l 'site = hall-3' --built-in reboot --max-in-flight 1", "One after the other"],
    [
      "muster run -l '' --script why.sh --wave rest --max-in-flight 100% -o json",
      "Everybody at once, all of it as data",
    ],
  ]);
  command.action(async (words: readonly string[], options: Options) => {
    await run(shell, words, options);
  });
}

async function run(shell: Shell, words: readonly string[], options: Options): Promise<void> {
  checkSelectorOption(options.selector);
  const spec = await specOf(words, options);
  const session = await openSession(shell, options);
  const name = options.name ?? defaultName(shell);
  await begin(shell, session, { name, spec, reason: options.reason });
  const isTty = shell.stderr.isTTY === true;
  // Progress is for people; what devices answered is the data, and comes once, at the end.
  const followed = { shell, session, name, format: "table" as const };
  const final = await followRollout(followed, isTty, isAtRest);
  const areAllWell = await printAnswers({ shell, session, rollout: name, format: options.output });
  note(shell, rolloutSentence(final));
  const state = rolloutState(final);
  if (state === "paused") await settle(shell, session, final);
  if (state !== "succeeded" || !areAllWell) shell.setExitStatus(1);
}

async function specOf(
  words: readonly string[],
  options: Options,
): Promise<ReturnType<typeof toRolloutSpec>> {
  const { script, builtIn } = options;
  const given = [words.length > 0, script !== undefined, builtIn !== undefined];
  if (given.filter(Boolean).length !== 1) {
    throw new MusterError({
      code: "invalid_argument",
      message: "give one of: a command behind --, --script FILE, --built-in NAME",
      detail: { hint: "for example: muster run -l 'region = eu' -- uptime" },
    });
  }
  if (words[0]?.trim() === "") {
    throw new MusterError({
      code: "invalid_argument",
      message: "the command behind -- names no program",
    });
  }
  // To the API 0 is "the default", which is not what somebody meant who wrote it.
  if (options.timeout === 0) {
    throw new MusterError({
      code: "invalid_argument",
      message: "--timeout must be longer than 0s",
    });
  }
  const text = script === undefined ? undefined : await readScript(script);
  const waves = options.wave?.map((size) =>
    size === REST_WAVE ? size : parseAmount(size, "--wave"),
  );
  const document: RolloutDocument["spec"] = {
    command: {
      run: words.length > 0 ? words : undefined,
      script: text,
      builtIn,
      timeout: options.timeout,
      outputLimit: options.outputLimit,
    },
    selector: options.selector,
    waves,
    maxInFlight: options.maxInFlight,
    // A command is unproven while it runs, so another bound than that of the runs says nothing.
    blastRadius: options.maxInFlight,
    gate: options.maxFailures === undefined ? undefined : { maxFailures: options.maxFailures },
  };
  return toRolloutSpec({
    apiVersion: "muster/v1",
    kind: "Rollout",
    metadata: { name: "" },
    spec: document,
  });
}

/** Throws `invalid_argument` where there is nothing in it that could be run. */
async function readScript(file: string): Promise<string> {
  const read = { attempted: "reading the script", maxBytes: MAX_COMMAND_BYTES };
  const text = (await readBounded(file, read)).toString();
  if (text.trim() !== "") return text;
  throw new MusterError({
    code: "invalid_argument",
    message: "the script is empty: there is nothing to run",
    detail: { file },
  });
}

async function begin(
  shell: Shell,
  session: Session,
  rollout: {
    readonly name: string;
    readonly spec: ReturnType<typeof toRolloutSpec>;
    readonly reason: string | undefined;
  },
): Promise<void> {
  const { client, tenant, call } = session;
  const { name, spec } = rollout;
  const target = (): {
    tenant: string;
    name: string;
    mutation: ReturnType<Session["mutation"]>;
  } => ({
    tenant,
    name,
    mutation: session.mutation(rollout.reason),
  });
  const { rollout: planned } = await client.applyRollout({ ...target(), spec, plan: true }, call);
  const { digest: planDigest, deviceCount } = required(planned?.plan, "plan");
  const count = countOf(deviceCount, "device");
  note(shell, `rollout ${name}: ${count}; stop it with: muster rollout stop ${name}`);
  await client.startRollout({ ...target(), planDigest }, call);
}

/** Nothing runs any more, and nothing more will without a person. */
function isAtRest(rollout: Rollout): boolean {
  return rolloutState(rollout) === "paused" && underWay(rollout) === 0;
}

function underWay({ progress }: Rollout): number {
  const { byState = {} } = progress ?? {};
  return ["accepted", "downloading", "downloaded", "waiting", "installing"].reduce(
    (sum, state) => sum + (byState[state] ?? 0),
    0,
  );
}

/** Paused by its gate: with nobody left it has ended; else a person decides. */
async function settle(shell: Shell, session: Session, rollout: Rollout): Promise<void> {
  const { name, progress } = rollout;
  const left = (progress?.byState["pending"] ?? 0) + (progress?.byState["offered"] ?? 0);
  if (left > 0) {
    note(shell, `  not reached: ${countOf(left, "device")} → go on: muster rollout resume ${name}`);
    note(shell, `  or leave it there: muster rollout stop ${name}`);
    return;
  }
  const mutation = session.mutation("every device has answered");
  try {
    await session.client.stopRollout({ tenant: session.tenant, name, mutation }, session.call);
  } catch (error) {
    // Somebody else was faster: it is not paused any more.
    if (!isMusterError(error) || error.code !== "failed_precondition") throw error;
  }
}

/** `run-20261125-190500-3f2a`: a name says when, and two in one second differ. */
function defaultName(shell: Pick<Shell, "clock" | "random">): string {
  const time = new Date(shell.clock.wallMs()).toISOString().slice(0, 19);
  const suffix = Buffer.from(shell.random.bytes(2)).toString("hex");
  return `run-${time.replaceAll(/[-:]/g, "").replace("T", "-")}-${suffix}`;
}

function parseSize(text: string): Amount {
  return parseAmount(text, "size");
}

/** A parser of the domain as commander wants it. */
function reading<Value>(parse: (text: string) => Value): (text: string) => Value {
  return (text) => {
    try {
      return parse(text);
    } catch (error) {
      throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
    }
  };
}
