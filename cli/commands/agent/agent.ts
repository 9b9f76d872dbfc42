// SPDX-License-Identifier: Apache-2.0
/** `muster agent`: runs the agent of one device. */
import { Option, type Command } from "commander";
import { addExamples } from "../../command.ts";
import type { CodecName } from "../../../protocol/device/codec-names.ts";
import { codecOption, collect, collectPairs, durationOption, parsePort } from "../../options.ts";
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
import { versionFacts } from "../../version-facts.ts";

interface Options extends RoleOptions {
  readonly data?: string;
  readonly enrolmentUrl?: string;
  readonly enrolTokenFile?: string;
  readonly gateway?: readonly string[];
  readonly proxy?: string;
  readonly inventory?: { readonly [name: string]: string };
  readonly busyHook?: string;
  readonly serviceHook?: string;
  readonly exhaustedHook?: string;
  readonly rebootHook?: string;
  readonly commands: "off" | "built-in" | "any";
  /** Milliseconds. */
  readonly heartbeat: number;
  readonly codec: CodecName;
  /** Milliseconds. */
  readonly evidenceInterval: number;
  /** Milliseconds. */
  readonly backoffCeiling: number;
  readonly adminHost: string;
  readonly adminPort: number;
}

export function declare(command: Command, shell: Shell): void {
  command
    .option("--data <folder>", "its data folder, made if missing: slots, identity, journal")
    .option("--enrolment-url <url>", "https://HOST:7443 of the center")
    .option("--enrol-token-file <file>", "one-time token, at the first start")
    .option(
      "--gateway <address>",
      "host:port or host:mqttsPort:artifactsPort, not asking the center; more than once",
      collect,
    )
    .option("--proxy <url>", "http://HOST:PORT for all it opens, or none; else HTTPS_PROXY")
    .option("--inventory <name=value>", "a fact for selectors and releases", collectPairs)
    .option("--busy-hook <program>", "exits 75 while the device must not be updated")
    .option("--service-hook <program>", "is called with `restart NAME`")
    .option("--reboot-hook <program>", "is called to start the device again")
    .addOption(
      new Option("--commands <which>", "commands of the center that it runs")
        .choices(["off", "built-in", "any"])
        .default("built-in"),
    )
    .option("--exhausted-hook <program>", "is called when the link has failed four times")
    .addOption(durationOption("--heartbeat <duration>", "between two heartbeats", "5s"))
    .addOption(codecOption("of heartbeats, where the gateway takes it"))
    .addOption(durationOption("--evidence-interval <duration>", "between two digests", "60s"))
    .addOption(durationOption("--backoff-ceiling <duration>", "longest wait for a gateway", "60s"))
    .option("--admin-host <address>", "address of metrics and health", "127.0.0.1")
    .option("--admin-port <port>", "metrics and health; 0 takes a free one", parsePort, 9_466);
  addRoleOptions(command);
  addExamples(command, [
    [
      "muster agent --data till --enrolment-url https://center:7443 --enrol-token-file till.token",
      "The first start; later ones need no token",
    ],
  ]);
  command.action(async () => {
    await mergeConfigFile(command);
    const options = command.opts<Options>();
    await runRole({
      shell,
      readyFile: options.readyFile,
      start: (signal) => start(shell, options, signal),
    });
  });
}

async function start(
  shell: Shell,
  options: Options,
  signal: AbortSignal,
): Promise<{ name: string; role: RunningRole; facts: ReadyFacts }> {
  // The agent is loaded when it runs: help and completion need only the options above.
  const { parseGatewayAddress } = await import("../../../agent/link/gateway-address.ts");
  const { readProxyRules } = await import("../../../agent/link/proxy-rules.ts");
  const { startAgent } = await import("../../../agent/main.ts");
  const token = await readEnrolmentTokenFile(options.enrolTokenFile);
  const agent = await startAgent({
    dataDirectory: requireOption(options.data, "--data"),
    enrolmentUrl: requireOption(options.enrolmentUrl, "--enrolment-url"),
    proxyFor: readProxyRules(options.proxy, shell.environment),
    ...(token === undefined ? {} : { token }),
    ...(options.gateway === undefined
      ? {}
      : { gateways: options.gateway.map((text) => parseGatewayAddress(text, "--gateway")) }),
    ...(options.inventory === undefined ? {} : { inventory: options.inventory }),
    hooks: {
      busy: options.busyHook ?? null,
      service: options.serviceHook ?? null,
      exhausted: options.exhaustedHook ?? null,
      reboot: options.rebootHook ?? null,
    },
    commands: options.commands,
    heartbeatIntervalMs: options.heartbeat,
    codec: options.codec,
    evidenceIntervalMs: options.evidenceInterval,
    backoffCeilingMs: options.backoffCeiling,
    adminHost: options.adminHost,
    adminPort: options.adminPort,
    version: versionFacts().version,
    logger: roleLogger("agent", options),
    clock: shell.clock,
    random: shell.random,
    signal,
  });
  const { tenant, device, adminPort } = agent;
  return {
    name: `agent ${tenant}/${device}`,
    role: { ended: agent.ended, stop: () => agent.stop() },
    facts: { tenant, device, adminPort },
  };
}
