// SPDX-License-Identifier: Apache-2.0
/**
 * The installation that is upgraded: a center, one gateway of several workers, a swarm with
 * certificates of their own, and devices on the plain listener that send heartbeats and telemetry;
 * each a process of its own.
 */
import { readFile } from "node:fs/promises";
import { registerSwarm } from "../../../cli/commands/simulate/register-swarm.ts";
import { publishDemoRelease } from "../../../cli/demo/demo-release.ts";
import { LocalInstallation } from "../../../cli/demo/local-installation.ts";
import { createProgress, type Progress } from "../../../cli/progress/progress.ts";
import type { Shell } from "../../../cli/shell.ts";
import { MusterError } from "../../../domain/errors.ts";
import { delay } from "../../../ports/clock.ts";
import { startSwarmProcesses, type SwarmHandle } from "../../../simulator/swarm/swarm-processes.ts";
import { startLoad, type Load } from "../gateway/load.ts";
import { writeFleet } from "../rollout/fleet-store.ts";
import { makeKeptLog } from "./kept-log.ts";
import { writeSwarmIdentities } from "./swarm-identities.ts";

export interface FleetOptions {
  readonly folder: string;
  /** With certificates; they take commands and a release, and report. */
  readonly deviceCount: number;
  /** On the plain listener; they send QoS 1 heartbeats and telemetry. */
  readonly plainCount: number;
  /** Into so many groups the devices are divided; a label says which. */
  readonly groupCount: number;
  readonly workers: number;
  /** The command `muster`; "" = of this clone. */
  readonly program: string;
  readonly shell: Pick<Shell, "clock" | "random" | "interrupt" | "stderr">;
}

export interface UpgradedFleet extends AsyncDisposable {
  readonly installation: LocalInstallation;
  readonly swarm: SwarmHandle;
  readonly plain: Load;
  /** Processes that are workers now. */
  readonly workerPids: () => Promise<readonly number[]>;
  readonly until: (what: string, holds: () => boolean | Promise<boolean>) => Promise<void>;
}

export const HEARTBEAT_MS = 5_000;
export const EVENT_LOG = "center/events.db";
export const RELEASE = { name: "shop", version: "1.0.0", failsOn: "" };
/** Three workers: each drains for 8 s and waits up to 60 s for its devices, and starts in some. */
const WAIT_MS = 240_000;
const POLL_MS = 50;
const CONNECTS_AT_ONCE = 64;

/** Resolves when everybody is connected and the release is published. */
export async function startFleet(options: FleetOptions): Promise<UpgradedFleet> {
  const { folder, program, shell, workers, deviceCount, plainCount } = options;
  await using stack = new AsyncDisposableStack();
  const installation = stack.use(
    new LocalInstallation({
      folder,
      shell,
      heartbeat: `${HEARTBEAT_MS}ms`,
      gatewayFlags: { workers, "insecure-mqtt-port": 0 },
      ...(program === "" ? {} : { launcher: program }),
    }),
  );
  await writeFleet(installation.at("center/store.db"), plainCount, plainId);
  await makeKeptLog(installation.at(EVENT_LOG));
  await installation.startCenter();
  const gateway = await installation.startGateway("gw-1");
  using progress = createProgress({ stream: shell.stderr, isTty: false, clock: shell.clock });
  await publish(installation, shell, progress);
  const swarm = await startDevices(options, installation, progress);
  stack.defer(() => swarm.stop());
  const port = gateway.port("insecureMqttPort");
  const plain = await startLoad({ port, deviceCount: plainCount });
  stack.defer(() => plain.stop());
  await plain.say(`connect ${CONNECTS_AT_ONCE}`);
  const until = waiting(shell);
  await until("every device is connected", () => swarm.stats().connected === deviceCount);
  const parent = Number(gateway.facts["pid"]);
  const owned = stack.move();
  return {
    installation,
    swarm,
    plain,
    workerPids: () => childrenOf(parent),
    until,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

async function publish(
  installation: LocalInstallation,
  { clock }: FleetOptions["shell"],
  progress: Progress,
): Promise<void> {
  const { session, targetsKeyFile: keyFile } = installation;
  const folder = installation.at("releases");
  const nowMs = clock.wallMs();
  await publishDemoRelease({ session, folder, keyFile, release: RELEASE, progress, nowMs });
}

async function startDevices(
  { deviceCount, groupCount, shell }: FleetOptions,
  installation: LocalInstallation,
  progress: Progress,
): Promise<SwarmHandle> {
  const { session, enrolmentUrl } = installation;
  const dataDirectory = installation.at("swarm");
  const ids = Array.from({ length: deviceCount }, (_, index) => `sim-${index + 1}`);
  const centerFolder = installation.at("center");
  await writeSwarmIdentities({ centerFolder, directory: dataDirectory, ids });
  for (let group = 0; group < groupCount; group += 1) {
    const begin = Math.floor((deviceCount * group) / groupCount);
    const end = Math.floor((deviceCount * (group + 1)) / groupCount);
    const facts = { region: "local", labels: labelsOf(group), dataDirectory, progress };
    await registerSwarm({ session, ids: ids.slice(begin, end), ...facts });
  }
  return startSwarmProcesses({
    devices: ids.map((id) => ({ id, behaviour: "good" })),
    seed: 5,
    enrolmentUrl,
    dataDirectory,
    heartbeatIntervalMs: HEARTBEAT_MS,
    download: "manifest",
    processCount: 1,
    clock: shell.clock,
    signal: shell.interrupt.signal,
    onEnrolled: () => {},
  });
}

function labelsOf(group: number): { readonly [name: string]: string } {
  return { takes: "releases", group: groupName(group) };
}

/** As in a selector: `label.group = group-3`. */
export function groupName(group: number): string {
  return `group-${group}`;
}

/** As the load calls its devices; `ordinal` from 1. */
function plainId(ordinal: number): string {
  return `device-${String(ordinal - 1).padStart(5, "0")}`;
}

/** Of a gateway, oldest first. */
async function childrenOf(pid: number): Promise<readonly number[]> {
  const text = await readFile(`/proc/${pid}/task/${pid}/children`, "utf8");
  return text.trim().split(" ").map(Number);
}

function waiting({ clock, interrupt }: FleetOptions["shell"]): UpgradedFleet["until"] {
  return async (what, holds) => {
    const deadlineMs = clock.monotonicMs() + WAIT_MS;
    while (!(await holds())) {
      if (clock.monotonicMs() > deadlineMs) {
        throw new MusterError({ code: "unavailable", message: `waited in vain until ${what}` });
      }
      await delay(clock, POLL_MS, interrupt.signal);
    }
  };
}
