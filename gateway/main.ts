// SPDX-License-Identifier: Apache-2.0
/**
 * A gateway of several processes, from outside: this one is the parent, which starts the command
 * that it is given once a worker, and answers on the admin port for all of them.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { AggregatorRegistry, Registry } from "prom-client";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Random } from "../ports/random.ts";
import { startAdminServer } from "../runtime/admin-server.ts";
import { fileFailure } from "../runtime/file-failure.ts";
import type { GatewayOptions } from "./options.ts";
import { checkSocketPath } from "./artifacts/artifact-relay.ts";
import { rotateTicketKeys } from "./ticket-keys.ts";
import { ScaleOut } from "./workers/scale-out.ts";
import { watchScale } from "./workers/scale-watch.ts";
import { spawnWorker } from "./workers/spawn-worker.ts";
import { WorkerPool } from "./workers/worker-pool.ts";
import type { WorkerPorts } from "./workers/worker-process.ts";

export { receiveStart, serveParent, type ParentChannel } from "./workers/worker-channel.ts";

/** How often the workers' CPU is looked at, and how often at least before a change. */
const LOOK_EVERY_MS = 5_000;
const LOOKS_AT_LEAST = 4;

/** What a worker is told to be; it has clock, randomness and log of its own. */
export type WorkerStart = Omit<GatewayOptions, "clock" | "random" | "logger" | "signal">;

export interface GatewayParentOptions {
  /** From 1 to MAX_WORKERS. */
  readonly workers: number;
  /** As many when they are busy; at least `workers`. */
  readonly mostWorkers: number;
  /** How long they are busy before there is one more, ms. */
  readonly scaleOutAfterMs: number;
  /** How long one less would do before it goes, ms. */
  readonly scaleInAfterMs: number;
  /** Of the gateway. Worker 1 has its data folder, the others have folders in it. */
  readonly gateway: WorkerStart;
  /** The program that calls `receiveStart`, then `serveParent`. */
  readonly command: string;
  readonly args: readonly string[];
  /** What else a worker is told: how it logs. */
  readonly told: { readonly [name: string]: string | undefined };
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
}

export interface GatewayParent {
  /** Of all workers, and its own `adminPort`. */
  readonly ports: WorkerPorts;
  /** Replaces the workers one after the other, by what is installed now. */
  replaceAll(): Promise<void>;
  stop(): Promise<void>;
  /** Resolves when it has stopped. */
  readonly stopped: Promise<void>;
}

/** Throws `unavailable` when a worker cannot start, and what opening the admin port throws. */
export async function startGatewayWorkers(options: GatewayParentOptions): Promise<GatewayParent> {
  const { gateway, command, args, clock, random, logger } = options;
  const artifactsSocket = join(gateway.dataDirectory, "artifacts.sock");
  checkSocketPath(artifactsSocket);
  await makeFolder(gateway.dataDirectory);
  const { redirectAbove } = gateway;
  const part =
    redirectAbove === undefined
      ? {}
      : { redirectAbove: Math.ceil(redirectAbove / options.workers) };
  const pool = new WorkerPool({
    count: options.workers,
    launch: (worker, ports) => {
      const own = join(gateway.dataDirectory, `worker-${worker}`);
      const dataDirectory = worker === 1 ? gateway.dataDirectory : own;
      const place = { worker, dataDirectory, artifactsSocket, adminPort: 0 };
      const start = { ...gateway, ...ports, ...place, ...part, ...options.told };
      return spawnWorker({ command, args, start, clock });
    },
    clock,
    logger,
  });
  const ports = await pool.start();
  const stopRotation = rotateTicketKeys({ clock, random, user: pool });
  const { adminHost: host = "127.0.0.1", adminPort: port = 9_465 } = gateway;
  const admin = await startAdminServer({
    host,
    port,
    registry: { contentType: Registry.PROMETHEUS_CONTENT_TYPE, metrics: () => metricsOf(pool) },
    readiness: () => pool.notReady(),
  }).catch(async (error: unknown) => {
    stopRotation();
    await pool.stop();
    throw error;
  });
  const watching = new AbortController();
  const watched = watchScale({
    pool,
    scaleOut: new ScaleOut({
      least: options.workers,
      most: Math.max(options.workers, options.mostWorkers),
      busyForMs: options.scaleOutAfterMs,
      idleForMs: options.scaleInAfterMs,
    }),
    everyMs: Math.min(LOOK_EVERY_MS, options.scaleOutAfterMs / LOOKS_AT_LEAST),
    clock,
    signal: watching.signal,
  });
  const stopped = Promise.withResolvers<void>();
  let stopping: Promise<void> | null = null;
  return {
    ports: { ...ports, adminPort: admin.port },
    replaceAll: () => pool.replaceAll(),
    stop: () => {
      stopRotation();
      watching.abort();
      stopping ??= Promise.all([watched, pool.stop()])
        .then(() => undefined)
        .finally(() => admin[Symbol.asyncDispose]());
      void stopping.then(stopped.resolve, stopped.reject);
      return stopping;
    },
    stopped: stopped.promise,
  };
}

/** Counters and gauges of all workers, added up. */
async function metricsOf(pool: WorkerPool): Promise<string> {
  const all = (await pool.facts()).map(({ metrics }) => [...metrics]);
  return AggregatorRegistry.aggregate(all).metrics();
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw fileFailure(error, "make the data folder", path);
  }
}
