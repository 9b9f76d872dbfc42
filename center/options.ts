// SPDX-License-Identifier: Apache-2.0
/** What a center is told at its start, and what it is while it runs. */
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Random } from "../ports/random.ts";

export interface CenterOptions {
  /** Store, EventLog, artifacts, keys; made when it is not there. */
  readonly dataDirectory: string;
  /** Keys that belong to the operator and the first token; default `{dataDirectory}/operator`. */
  readonly operatorDirectory?: string;
  /** DNS names and addresses at which devices, gateways and schedulers reach this center. */
  readonly hosts: readonly string[];
  /** Of the API for people. Default 127.0.0.1: plain HTTP is for loopback only. */
  readonly apiHost?: string;
  /** Of gRPC and enrolment. Default 0.0.0.0. */
  readonly host?: string;
  /** Default 7070; 0 takes a free one, here and below. */
  readonly apiPort?: number;
  /** Default 50051. */
  readonly linkPort?: number;
  /** Default 7443. */
  readonly enrolmentPort?: number;
  readonly adminHost?: string;
  /** Default 9464. */
  readonly adminPort?: number;
  /** Of gateways, ms. Default 5,000. */
  readonly heartbeatIntervalMs?: number;
  /** Default 3. */
  readonly missesAllowed?: number;
  /** Time to live of plan leases, ms. Default 30,000. */
  readonly leaseLifetimeMs?: number;
  /** How long an offer may be accepted, ms. Default 60,000. */
  readonly offerLifetimeMs?: number;
  /** How long the rollout loop rests when nothing wakes it, ms. Default 200, at most 2,000. */
  readonly loopTickMs?: number;
  /** Of attempts, ms after the end of their rollout. Default 90 days. */
  readonly keepAttemptsMs?: number;
  /** `postgres://user@host:port/database`. Default: the embedded Store in the data folder. */
  readonly storeUrl?: string;
  /** `kafka://host:port,…/topic`. Default: the embedded EventLog in the data folder. */
  readonly eventLogUrl?: string;
  /** The embedded Store never grows beyond it. Default: as far as the disk goes. */
  readonly maxStoreBytes?: number;
  /** Rollouts of a tenant that keep their attempts however old they are. Default 20. */
  readonly keepRollouts?: number;
  readonly version: string;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger: Logger;
}

export interface RunningCenter extends AsyncDisposable {
  readonly apiPort: number;
  readonly linkPort: number;
  readonly enrolmentPort: number;
  readonly adminPort: number;
  /** Where the first operator token lies. */
  readonly tokenFile: string;
  /** Rejects when the center cannot go on: another leader took over, or its Store is damaged. */
  readonly failed: Promise<never>;
}
