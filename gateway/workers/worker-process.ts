// SPDX-License-Identifier: Apache-2.0
/** One worker of a gateway as its parent sees it; what starts it is the parent's own affair. */
import type { MetricObject } from "prom-client";
import type { TicketKeysUser } from "../ticket-keys.ts";

/** The ports that a worker has, by the names of the ready file: `{ mqttsPort: 8883 }`. */
export type WorkerPorts = { readonly [name: string]: number };

export interface WorkerFacts {
  /** CPU that it has used since it started, s. */
  readonly cpuSeconds: number;
  readonly metrics: readonly MetricObject[];
  /** Devices that have a session with it. */
  readonly sessionCount: number;
  /** Why it cannot do its work; empty when it can. */
  readonly notReady: readonly string[];
}

/** Ticket keys reach one that is ready. */
export interface WorkerProcess extends TicketKeysUser {
  readonly pid: number;
  /** Resolves when its listeners are open; rejects when it ends before. */
  readonly ready: Promise<WorkerPorts>;
  /** Resolves when it has ended, however, with a few words that say how. */
  readonly ended: Promise<string>;
  /** null: it does not answer (it has ended, or is too busy for it). */
  ask(): Promise<WorkerFacts | null>;
  /** Asks it to send this part of its devices (0 to 1) to the workers beside it. */
  makeRoom(part: number): void;
  /** Asks it to hand over what it holds and to end; kills one that takes too long. */
  stop(): void;
}

/** Starts worker `worker`, from 1. `ports`: what the gateway has already; null for the first. */
export type LaunchWorker = (worker: number, ports: WorkerPorts | null) => WorkerProcess;
