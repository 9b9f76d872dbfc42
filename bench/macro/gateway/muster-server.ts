// SPDX-License-Identifier: Apache-2.0
/**
 * Ours: `muster gateway` as an operator starts it, linked to a pretended center. Its plain listener
 * is measured, as on a VPN.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { RoleProcess } from "../../../cli/demo/role-process.ts";
import { delay } from "../../../ports/clock.ts";
import { systemClock } from "../../../runtime/system-clock.ts";
import { openBenchAuthority, writeGatewayIdentity } from "./bench-authority.ts";
import { startCenter, type CenterProcess } from "./center-process.ts";
import type { Server, ServerKind, ServerOptions } from "./server.ts";

export const MUSTER = "muster";
/** Devices of this bench are silent for as long as a phase takes. */
const HEARTBEAT = "5m";
const POLL_MS = 20;

export const muster: ServerKind = {
  name: MUSTER,
  prepare: () => Promise.resolve(null),
  // What a connection costs is measured, and not how they are spread over time.
  start: (options) => startMuster(options, { "connection-rate": 100_000 }),
};

/** Ours, whose devices may come over mutual TLS, too. */
export interface MusterServer extends Server {
  readonly tlsPort: number;
}

/** Options of `muster gateway`, without their dashes. */
type GatewayWords = { readonly [name: string]: string | number };

/** `more`: what the operator of this gateway says beside what all of them say. */
export async function startMuster(
  options: ServerOptions,
  more: GatewayWords = {},
): Promise<MusterServer> {
  const { folder, deviceCount, profile } = options;
  const data = join(folder, "gw-1");
  const authority = await openBenchAuthority(folder);
  await mkdir(data, { recursive: true });
  await writeGatewayIdentity(authority, data);
  const center = await startCenter(folder);
  const gateway = gatewayProcess(data, center, options, more);
  await gateway.start(new AbortController().signal);
  return {
    pid: Number(gateway.facts["pid"]),
    port: gateway.port("insecureMqttPort"),
    tlsPort: gateway.port("mqttsPort"),
    settled: async () => {
      while ((await center.ask({ ask: "facts" })).grantedCount < deviceCount) await pause();
    },
    push: async () => {
      await center.ask({ ask: "prepare", deviceCount });
      return BigInt((await center.ask({ ask: "push" })).startNs);
    },
    storedReports: async () => (await center.ask({ ask: "facts" })).storedReports,
    [Symbol.asyncDispose]: async () => {
      // A profile is written at an orderly end.
      await (profile === "" ? gateway.kill() : gateway.stop());
      await center.stop();
    },
  };
}

function gatewayProcess(
  data: string,
  center: CenterProcess,
  { profile, program }: ServerOptions,
  more: GatewayWords,
): RoleProcess {
  const words = {
    data,
    center: `localhost:${center.port}`,
    host: "127.0.0.1",
    "mqtts-port": 0,
    "insecure-mqtt-port": 0,
    "artifacts-port": 0,
    "admin-port": 0,
    heartbeat: HEARTBEAT,
    ...more,
  };
  const flags = `--cpu-prof --cpu-prof-dir=${profile}`;
  return new RoleProcess({
    name: "gateway gw-1",
    args: [
      "gateway",
      ...Object.entries(words).flatMap(([name, value]) => [`--${name}`, String(value)]),
    ],
    fileBase: data,
    ...(program === "" ? {} : { launcher: program }),
    environment: profile === "" ? {} : { NODE_OPTIONS: flags },
    clock: systemClock,
  });
}

function pause(): Promise<void> {
  return delay(systemClock, POLL_MS, new AbortController().signal);
}
