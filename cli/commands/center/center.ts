// SPDX-License-Identifier: Apache-2.0
/** `muster center`: runs the center. */
import type { Command } from "commander";
import { addExamples } from "../../command.ts";
import { defaultCenterFolder } from "../../connection.ts";
import { collect, parseCount, durationOption, parsePort, parseSize } from "../../options.ts";
import { roleLogger } from "../../roles/role-logger.ts";
import { addRoleOptions, mergeConfigFile, type RoleOptions } from "../../roles/role-options.ts";
import { runRole, type ReadyFacts, type RunningRole } from "../../roles/run-role.ts";
import type { Shell } from "../../shell.ts";
import { versionFacts } from "../../version-facts.ts";

interface Options extends RoleOptions {
  readonly data?: string;
  readonly operator?: string;
  readonly name?: readonly string[];
  readonly apiHost: string;
  readonly apiPort: number;
  readonly host: string;
  readonly linkPort: number;
  readonly enrolmentPort: number;
  readonly adminHost: string;
  readonly adminPort: number;
  /** Milliseconds. */
  readonly heartbeat: number;
  readonly misses: number;
  /** Milliseconds. */
  readonly leaseLifetime: number;
  /** Milliseconds. */
  readonly offerLifetime: number;
  /** Milliseconds. */
  readonly keepAttempts: number;
  readonly keepRollouts: number;
  readonly maxStore?: number;
  readonly store?: string;
  readonly eventLog?: string;
}

export function declare(command: Command, shell: Shell): void {
  command
    .option("--data <folder>", "its data folder, made if missing; else in ~/.local/share/muster")
    .option("--operator <folder>", "operator's keys and first token; else DATA/operator")
    .option("--name <name>", "name or IP that others reach it by; more than once", collect)
    .option("--api-host <address>", "address of API and console", "127.0.0.1")
    .option("--api-port <port>", "API and console; 0 takes a free one", parsePort, 7_070)
    .option("--host <address>", "address of gRPC and enrolment", "0.0.0.0")
    .option("--link-port <port>", "gRPC over TLS; 0 takes a free one", parsePort, 50_051)
    .option("--enrolment-port <port>", "enrolment; 0 takes a free one", parsePort, 7_443)
    .option("--admin-host <address>", "address of metrics and health", "127.0.0.1")
    .option("--admin-port <port>", "metrics and health; 0 takes a free one", parsePort, 9_464)
    .addOption(durationOption("--heartbeat <duration>", "how often gateways send one", "5s"))
    .option("--misses <count>", "missed heartbeats until offline", parseCount, 3)
    .addOption(durationOption("--lease-lifetime <duration>", "how long plan leases last", "30s"))
    .addOption(durationOption("--offer-lifetime <duration>", "how long offers last", "60s"))
    .addOption(durationOption("--keep-attempts <duration>", "attempts outlive rollouts", "90d"))
    .option("--keep-rollouts <count>", "last rollouts that keep attempts", parseCount, 20)
    .option("--store <url>", "postgres://USER@HOST:PORT/DATABASE; else a file in DATA")
    .option("--event-log <url>", "kafka://HOST:PORT,…/TOPIC; else a file in DATA")
    .option("--max-store <size>", "size of the database, as 20GiB; else its disk", parseSize);
  addRoleOptions(command);
  addExamples(command, [
    ["muster center", "On this machine, with everything in ~/.local/share/muster/center"],
    ["muster center --data /var/lib/muster --name center.example.org", "For others to reach"],
  ]);
  command.action(async () => {
    await mergeConfigFile(command);
    const options = command.opts<Options>();
    await runRole({ shell, readyFile: options.readyFile, start: () => start(shell, options) });
  });
}

async function start(
  shell: Shell,
  options: Options,
): Promise<{ name: string; role: RunningRole; facts: ReadyFacts }> {
  // The center is loaded when it runs: help and completion need only the options above.
  const { startCenter } = await import("../../../center/main.ts");
  const center = await startCenter({
    dataDirectory: options.data ?? defaultCenterFolder(shell.environment),
    ...(options.operator === undefined ? {} : { operatorDirectory: options.operator }),
    hosts: options.name ?? ["localhost", "127.0.0.1"],
    apiHost: options.apiHost,
    apiPort: options.apiPort,
    host: options.host,
    linkPort: options.linkPort,
    enrolmentPort: options.enrolmentPort,
    adminHost: options.adminHost,
    adminPort: options.adminPort,
    heartbeatIntervalMs: options.heartbeat,
    missesAllowed: options.misses,
    leaseLifetimeMs: options.leaseLifetime,
    offerLifetimeMs: options.offerLifetime,
    keepAttemptsMs: options.keepAttempts,
    keepRollouts: options.keepRollouts,
    ...(options.store === undefined ? {} : { storeUrl: options.store }),
    ...(options.eventLog === undefined ? {} : { eventLogUrl: options.eventLog }),
    ...(options.maxStore === undefined ? {} : { maxStoreBytes: options.maxStore }),
    version: versionFacts().version,
    logger: roleLogger("center", options),
    clock: shell.clock,
    random: shell.random,
  });
  const stopped = Promise.withResolvers<void>();
  const role: RunningRole = {
    ended: Promise.race([center.failed, stopped.promise]),
    stop: async () => {
      await center[Symbol.asyncDispose]();
      stopped.resolve();
    },
  };
  const { apiPort, linkPort, enrolmentPort, adminPort, tokenFile } = center;
  return {
    name: "center",
    role,
    facts: { apiPort, linkPort, enrolmentPort, adminPort, tokenFile },
  };
}
