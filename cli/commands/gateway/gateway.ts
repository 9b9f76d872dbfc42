// SPDX-License-Identifier: Apache-2.0
/** `muster gateway`: runs one gateway, as this process or as several workers below it. */
import { availableParallelism } from "node:os";
import { Option, type Command } from "commander";
import { addExamples } from "../../command.ts";
import {
  collect,
  parseCount,
  durationOption,
  parsePort,
  parseRate,
  parseWorkers,
} from "../../options.ts";
import { readEnrolmentTokenFile } from "../../roles/enrolment-token-file.ts";
import { roleLogger } from "../../roles/role-logger.ts";
import {
  addRoleOptions,
  mergeConfigFile,
  requireOption,
  type RoleOptions,
} from "../../roles/role-options.ts";
import { runRole, type ReadyFacts, type RunningRole } from "../../roles/run-role.ts";
import type { Shell } from "../../shell.ts";
import type { WorkerStart } from "../../../gateway/main.ts";
import { versionFacts } from "../../version-facts.ts";

interface Options extends RoleOptions {
  readonly data?: string;
  readonly center?: string;
  readonly ip: string;
  readonly enrolmentUrl?: string;
  readonly enrolTokenFile?: string;
  readonly host: string;
  readonly mqttsPort: number;
  readonly insecureMqttPort?: number;
  readonly insecureMqttHost: string;
  readonly framedPort?: number;
  readonly coapPort?: number;
  readonly insecureCoapPort?: number;
  readonly insecureCoapHost: string;
  /** `mqtts`: on the port of MQTT. */
  readonly artifactsPort: number | "mqtts";
  readonly adminHost: string;
  readonly adminPort: number;
  /** Milliseconds. */
  readonly heartbeat: number;
  readonly misses: number;
  /** Milliseconds. */
  readonly detection: number;
  readonly maxConnections: number;
  readonly redirectAbove: number;
  readonly connectionRate: number;
  readonly backlogLimit: number;
  /** Milliseconds. */
  readonly sessionExpiry: number;
  readonly proxy?: readonly string[];
  /** Bytes a second. */
  readonly bandwidth?: number;
  readonly deviceBandwidth?: number;
  readonly workers?: number;
  readonly maxWorkers?: number;
  /** Milliseconds. */
  readonly scaleOutAfter: number;
  readonly scaleInAfter: number;
  readonly asWorker?: boolean;
}

export function declare(command: Command, shell: Shell): void {
  command
    .option("--data <folder>", "its data folder, made if missing")
    .option("--center <host:port>", "the center's gRPC address, a name in its certificate")
    .option("--ip <address>", "address that devices connect to", "127.0.0.1")
    .option("--enrolment-url <url>", "https://HOST:7443; devices may enrol through --mqtts-port")
    .option("--enrol-token-file <file>", "one-time token, at the first start")
    .option("--host <address>", "address of the device listeners", "0.0.0.0")
    .option("--mqtts-port <port>", "devices over TLS; 0 takes a free one", parsePort, 8_883)
    .option("--insecure-mqtt-port <port>", "MQTT without TLS; devices are who they say", parsePort)
    .option("--insecure-mqtt-host <address>", "address of that listener", "127.0.0.1")
    .option("--framed-port <port>", "framed TCP, usually 7700; 0 takes a free one", parsePort)
    .option("--coap-port <port>", "CoAP under OSCORE, usually 5683; 0 takes a free one", parsePort)
    .option(
      "--insecure-coap-port <port>",
      "CoAP without OSCORE; devices are who they say",
      parsePort,
    )
    .option("--insecure-coap-host <address>", "address of that listener", "127.0.0.1")
    .option(
      "--artifacts-port <port>",
      "artifacts; 0 takes a free one, mqtts is that port",
      parseArtifactsPort,
      7_444,
    )
    .option("--admin-host <address>", "address of metrics and health", "127.0.0.1")
    .option("--admin-port <port>", "metrics and health; 0 takes a free one", parsePort, 9_465);
  addLimitOptions(command);
  command.addOption(new Option("--as-worker", "what a gateway starts for each of them").hideHelp());
  addRoleOptions(command);
  addExamples(command, [
    [
      "muster gateway --data gw-1 --center center:50051 --enrolment-url https://center:7443 " +
        "--enrol-token-file gw-1.token",
      "The first start; later ones need no token",
    ],
    [
      "muster gateway --config gateway.yaml --workers 4",
      "Four processes on a machine of four cores",
    ],
  ]);
  command.action(async () => {
    const options = command.opts<Options>();
    if (options.asWorker === true) return (await import("./workers.ts")).runWorker(shell);
    await mergeConfigFile(command);
    const { workers, readyFile } = command.opts<Options>();
    const start = workers === undefined ? startHere : startWorkers;
    await runRole({ shell, readyFile, start: (signal) => start(shell, command.opts(), signal) });
  });
}

/** How many devices and how much of them it takes, and with how many processes. */
function addLimitOptions(command: Command): void {
  command
    .addOption(durationOption("--heartbeat <duration>", "how often devices send a heartbeat", "5s"))
    .option("--misses <count>", "missed heartbeats until offline", parseCount, 3)
    .addOption(durationOption("--detection <duration>", "time to find out", "2s"))
    .option("--max-connections <count>", "devices connected at once", parseCount, 18_000)
    .option(
      "--redirect-above <count>",
      "devices above which others of the region get further ones",
      parseCount,
      100_000,
    )
    .option("--connection-rate <count>", "new connections a second, at most", parseCount, 1_000)
    .option(
      "--backlog-limit <count>",
      "waiting for the center; above, fewer heartbeats",
      parseCount,
      10_000,
    )
    .addOption(durationOption("--session-expiry <duration>", "MQTT sessions kept at most", "1h"))
    .option("--proxy <network>", "a load balancer's, sends PROXY headers; more than once", collect)
    .option("--bandwidth <rate>", "cap of all artifacts sent, as 100MiB/s", parseRate)
    .option("--device-bandwidth <rate>", "cap of those to one device, as 1MiB/s", parseRate)
    .option("--workers <count>", "processes that share its ports; one core each", parseWorkers)
    .option("--max-workers <count>", "workers when busy (default: one a core)", parseWorkers)
    .addOption(durationOption("--scale-out-after <duration>", "busy until one more", "1m"))
    .addOption(durationOption("--scale-in-after <duration>", "idle until one less", "10m"));
}

function parseArtifactsPort(text: string): number | "mqtts" {
  return text === "mqtts" ? text : parsePort(text);
}

interface Started {
  readonly name: string;
  readonly role: RunningRole;
  readonly facts: ReadyFacts;
}

async function startWorkers(shell: Shell, options: Options, signal: AbortSignal): Promise<Started> {
  const { startParent } = await import("./workers.ts");
  const { name, gateway } = await gatewayOptions(shell, options, signal);
  const { logLevel, logFile, workers = 1 } = options;
  const log = { logLevel, ...(logFile === undefined ? {} : { logFile }) };
  const { maxWorkers, scaleOutAfter: scaleOutAfterMs, scaleInAfter: scaleInAfterMs } = options;
  const mostWorkers = maxWorkers ?? availableParallelism();
  const scale = { mostWorkers, scaleOutAfterMs, scaleInAfterMs };
  return { name, ...(await startParent({ workers, ...scale, gateway, log, shell })) };
}

/** The gateway is this process. */
async function startHere(shell: Shell, options: Options, signal: AbortSignal): Promise<Started> {
  // The gateway is loaded when it runs: help and completion need only the options above.
  const { startGateway } = await import("../../../gateway/wiring.ts");
  const { name, gateway } = await gatewayOptions(shell, options, signal);
  const running = await startGateway({ ...gateway, logger: roleLogger("gateway", options) });
  const { mqttsPort, insecureMqttPort, artifactsPort, adminPort } = running;
  const { framedPort, coapPort, insecureCoapPort } = running;
  return {
    name,
    role: { ended: running.stopped, stop: () => running.stop() },
    facts: {
      mqttsPort,
      ...(framedPort === null ? {} : { framedPort }),
      ...(insecureMqttPort === null ? {} : { insecureMqttPort }),
      ...(coapPort === null ? {} : { coapPort }),
      ...(insecureCoapPort === null ? {} : { insecureCoapPort }),
      artifactsPort,
      adminPort,
    },
  };
}

/** Enrols where that is not done yet, and says what the gateway is to be. */
async function gatewayOptions(
  shell: Shell,
  options: Options,
  signal: AbortSignal,
): Promise<{ readonly name: string; readonly gateway: WorkerStart }> {
  const { enrolGateway } = await import("../../roles/enrol-gateway.ts");
  const dataDirectory = requireOption(options.data, "--data");
  const enrolled = await enrolGateway({
    dataDirectory,
    enrolmentUrl: options.enrolmentUrl,
    token: await readEnrolmentTokenFile(options.enrolTokenFile),
    clock: shell.clock,
    signal,
  });
  const gateway = {
    dataDirectory,
    identityDirectory: enrolled.identityDirectory,
    gatewayId: enrolled.gateway,
    region: enrolled.region,
    ip: options.ip,
    centerAddress: requireOption(options.center, "--center"),
    host: options.host,
    mqttsPort: options.mqttsPort,
    insecureMqttPort: options.insecureMqttPort ?? null,
    insecureMqttHost: options.insecureMqttHost,
    framedPort: options.framedPort ?? null,
    coapPort: options.coapPort ?? null,
    insecureCoapPort: options.insecureCoapPort ?? null,
    insecureCoapHost: options.insecureCoapHost,
    artifactsPort: options.artifactsPort === "mqtts" ? null : options.artifactsPort,
    enrolmentUrl: options.enrolmentUrl ?? null,
    adminHost: options.adminHost,
    adminPort: options.adminPort,
    heartbeatIntervalMs: options.heartbeat,
    missesAllowed: options.misses,
    detectionMs: options.detection,
    maxConnections: options.maxConnections,
    redirectAbove: options.redirectAbove,
    connectionRate: options.connectionRate,
    backlogLimit: options.backlogLimit,
    sessionExpiryMaxSeconds: Math.floor(options.sessionExpiry / 1_000),
    proxies: options.proxy ?? [],
    gatewayBytesPerSecond: options.bandwidth ?? null,
    deviceBytesPerSecond: options.deviceBandwidth ?? null,
    version: versionFacts().version,
  };
  return { name: `gateway ${enrolled.region}/${enrolled.gateway}`, gateway };
}
