// SPDX-License-Identifier: Apache-2.0
/** `muster simulate --devices N`: a swarm of pretend devices against a real center. */
import { dirname, join } from "node:path";
import { Option, type Command } from "commander";
import { checkDeviceId } from "../../../domain/identity.ts";
import { MusterError } from "../../../domain/errors.ts";
import { parseDurationMs } from "../../../domain/units.ts";
import { parseGatewayAddress } from "../../../agent/link/gateway-address.ts";
import {
  DEFAULT_BEHAVIOURS,
  dealBehaviours,
  parseBehaviours,
} from "../../../simulator/swarm/behaviour.ts";
import type { CancelTimer } from "../../../ports/clock.ts";
import { openSession } from "../../client.ts";
import { addExamples } from "../../command.ts";
import { defaultCenterFolder } from "../../connection.ts";
import type { CodecName } from "../../../protocol/device/codec-names.ts";
import {
  addConnectionOptions,
  addOutputOption,
  codecOption,
  collect,
  collectPairs,
  durationOption,
  parseCount,
  type ConnectionOptions,
  type OutputOptions,
} from "../../options.ts";
import { printObject } from "../../output/print.ts";
import { createProgress } from "../../progress/progress.ts";
import { note, type Shell } from "../../shell.ts";
import { versionFacts } from "../../version-facts.ts";
import { registerSwarm } from "./register-swarm.ts";
import { processCountOf, startParts } from "./start-parts.ts";
import { showSwarm, swarmSentence } from "./show-swarm.ts";

/** Goodbyes of ten thousand devices take a few seconds. */
const DRAIN_MS = 15_000;
/** As many as fit into six digits of an id, and as the Store is built for. */
const MAX_DEVICES = 1_000_000;

interface Options extends ConnectionOptions, OutputOptions {
  readonly devices: number;
  readonly seed: string;
  readonly behaviours: string;
  readonly prefix: string;
  readonly region: string;
  readonly labels?: { readonly [name: string]: string };
  readonly inventory?: { readonly [name: string]: string };
  readonly data?: string;
  readonly enrolmentUrl?: string;
  readonly gateway?: readonly string[];
  readonly processes?: number;
  readonly download: "full" | "manifest";
  /** Milliseconds. */
  readonly heartbeat: number;
  readonly codec: CodecName;
  /** Milliseconds. */
  readonly backoffCeiling: number;
  /** Milliseconds; undefined = until it is interrupted. */
  readonly duration?: number;
}

export function declare(command: Command, shell: Shell): void {
  command
    .addOption(
      new Option("--devices <count>", "how many devices to pretend to be")
        .argParser(parseCount)
        .default(100),
    )
    .option("--seed <text>", "decides who behaves how, and every duration", "1")
    .option("--behaviours <shares>", "who behaves how", DEFAULT_BEHAVIOURS)
    .option("--prefix <text>", "device ids begin with it", "sim-")
    .option("--region <name>", "where they stand", "local")
    .option("--labels <name=value>", "labels of every device", collectPairs)
    .option("--inventory <name=value>", "facts of every device", collectPairs)
    .option("--data <folder>", "identities and journals; a second run goes on with them")
    .option("--enrolment-url <url>", "https://HOST:7443, instead of what the center says")
    .option(
      "--gateway <host:mqttsPort:artifactsPort>",
      "connect here instead of asking the center; more than once",
      collect,
    )
    .option("--processes <count>", "default: one for each 10,000 devices", parseCount)
    .addOption(
      new Option("--download <what>", "manifests and artifacts, or manifests only")
        .choices(["full", "manifest"])
        .default("full"),
    )
    .addOption(durationOption("--heartbeat <duration>", "between two heartbeats", "5s"))
    .addOption(codecOption("of heartbeats"))
    .addOption(durationOption("--backoff-ceiling <duration>", "longest wait for a gateway", "60s"))
    .addOption(
      new Option("--duration <duration>", "end by itself after so long").argParser((text) =>
        parseDurationMs(text, "--duration"),
      ),
    );
  addOutputOption(command);
  addConnectionOptions(command);
  command.addHelpText(
    "after",
    "\nBehaviours: good; slow; flaky (drops its connection); crashing (while it installs);\n" +
      "silent (after it accepted); hesitant (a minute before it accepts); lying (says installed\n" +
      "and is not); offline; bad-hardware (hwRevision rev-b: a health check with\n" +
      "--fails-on=hwRevision:rev-b fails there).\n" +
      "Shares are relative: good=90,slow=5,crashing=5. Ctrl-C ends it cleanly.",
  );
  addExamples(command, [
    ["muster simulate --devices 1000", "A thousand devices against the center of this machine"],
    [
      "muster simulate --devices 200 --behaviours good=95,silent=5 --duration 5m -o json",
      "Some of them troublesome; the counts at the end",
    ],
  ]);
  command.action((options: Options) => simulate(shell, options));
}

async function simulate(shell: Shell, options: Options): Promise<void> {
  const ids = deviceIds(options);
  const processCount = processCountOf(options.processes, ids.length);
  const weights = parseBehaviours(options.behaviours, "--behaviours");
  const devices = dealBehaviours({ ids, weights, seed: options.seed });
  const gateways = (options.gateway ?? []).map((text) => parseGatewayAddress(text, "--gateway"));
  const session = await openSession(shell, options);
  const isTty = shell.stderr.isTTY === true;
  using progress = createProgress({ stream: shell.stderr, isTty, clock: shell.clock });
  const dataDirectory = options.data ?? defaultFolder(shell);
  const { region, labels = {} } = options;
  const tokens = await registerSwarm({ session, ids, region, labels, dataDirectory, progress });
  const status = await session.client.getStatus({}, session.call);
  const bar = progress.bar("enrolled", ids.length);
  const swarm = await startParts({
    shell,
    processCount,
    swarm: {
      tenant: session.tenant,
      devices,
      tokens,
      seed: options.seed,
      enrolmentUrl: options.enrolmentUrl ?? status.enrolmentUrl,
      dataDirectory,
      gateways,
      region,
      heartbeatIntervalMs: options.heartbeat,
      codec: options.codec,
      backoffCeilingMs: options.backoffCeiling,
      download: options.download,
      version: versionFacts().version,
      ...(options.inventory === undefined ? {} : { inventory: options.inventory }),
    },
    onEnrolled: (count) => bar.update(count),
  });
  bar.finish();
  shell.interrupt.drain(DRAIN_MS);
  const end = endOf(shell, options.duration);
  let { connected } = swarm.stats();
  try {
    await showSwarm({ shell, swarm, progress, signal: end.signal });
  } finally {
    end.cancel();
    ({ connected } = swarm.stats());
    await swarm.stop();
  }
  progress[Symbol.dispose]();
  const stats = { ...swarm.stats(), connected }; // As it was before the goodbyes.
  note(shell, `What each device did is in ${dataDirectory}; run it again to go on.`);
  await printObject({
    shell,
    format: options.output,
    data: stats,
    human: () => [swarmSentence(stats)],
  });
}

/** `sim-000001` and so on: with zeros, so that ids sort as they count. */
function deviceIds(options: Pick<Options, "devices" | "prefix">): readonly string[] {
  const { devices: count, prefix } = options;
  if (count < 1 || count > MAX_DEVICES) {
    throw new MusterError({
      code: "invalid_argument",
      message: `${count} devices cannot be simulated; it can be 1 to ${MAX_DEVICES}`,
      detail: { field: "--devices" },
    });
  }
  const ids = Array.from(
    { length: count },
    (_, index) => `${prefix}${String(index + 1).padStart(6, "0")}`,
  );
  checkDeviceId(ids.at(-1) ?? "", "--prefix");
  return ids;
}

function defaultFolder(shell: Pick<Shell, "environment">): string {
  return join(dirname(defaultCenterFolder(shell.environment)), "swarm");
}

/** Aborts when the person interrupts, or when the time is over. */
function endOf(
  shell: Pick<Shell, "clock" | "interrupt">,
  durationMs: number | undefined,
): { readonly signal: AbortSignal; readonly cancel: CancelTimer } {
  const { signal } = shell.interrupt;
  if (durationMs === undefined) return { signal, cancel: () => {} };
  const over = new AbortController();
  const cancel = shell.clock.setTimer(durationMs, () => over.abort());
  return { signal: AbortSignal.any([signal, over.signal]), cancel };
}
