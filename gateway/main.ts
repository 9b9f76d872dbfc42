// SPDX-License-Identifier: Apache-2.0
/** The gateway as a process: `node gateway/main.ts --gateway-id …`. SIGTERM and SIGINT drain it. */
import { parseArgs } from "node:util";
import { createLogger } from "../runtime/pino-logger.ts";
import type { GatewayOptions } from "./options.ts";
import { startGateway } from "./wiring.ts";

if (import.meta.main) process.exitCode = await runGateway(process.argv.slice(2));

/** Runs until a signal; resolves with the exit status. The last line says what was wrong. */
export async function runGateway(argv: readonly string[]): Promise<number> {
  const logger = createLogger({ role: "gateway", level: "info" });
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => stop.abort());
  try {
    const gateway = await startGateway({ ...readArguments(argv), logger, signal: stop.signal });
    const { mqttsPort, artifactsPort, adminPort } = gateway;
    logger.info("gateway is listening", { mqttsPort, artifactsPort, adminPort });
    await gateway.stopped;
    return 0;
  } catch (error) {
    logger.error("gateway could not run", { error });
    return 1;
  }
}

function readArguments(argv: readonly string[]): Omit<GatewayOptions, "logger"> {
  const text = { type: "string" } as const;
  const number = (value: string | undefined, otherwise: number): number =>
    value === undefined ? otherwise : Number(value);
  const { values } = parseArgs({
    args: [...argv],
    options: {
      "data-dir": { ...text, default: "data/gateway" },
      "identity-dir": { ...text, default: "data/gateway/identity" },
      "gateway-id": { ...text, default: "gateway-1" },
      region: { ...text, default: "local" },
      ip: { ...text, default: "127.0.0.1" },
      center: { ...text, default: "localhost:50051" },
      host: { ...text, default: "0.0.0.0" },
      "mqtts-port": text,
      "artifacts-port": text,
      "admin-port": text,
      "heartbeat-interval-ms": text,
    },
  });
  return {
    dataDirectory: values["data-dir"],
    identityDirectory: values["identity-dir"],
    gatewayId: values["gateway-id"],
    region: values.region,
    ip: values.ip,
    centerAddress: values.center,
    host: values.host,
    mqttsPort: number(values["mqtts-port"], 8883),
    artifactsPort: number(values["artifacts-port"], 7444),
    adminPort: number(values["admin-port"], 9465),
    heartbeatIntervalMs: number(values["heartbeat-interval-ms"], 5_000),
    version: "0.1.0",
  };
}
