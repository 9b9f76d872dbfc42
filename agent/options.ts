// SPDX-License-Identifier: Apache-2.0
/** What an agent is told at its start, and what it is while it runs. */
import { MusterError } from "../domain/errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Random } from "../ports/random.ts";
import type { CodecName } from "../protocol/device/codec-names.ts";
import type { SlotStatuses } from "../protocol/device/status.ts";
import type { HookPrograms } from "./hooks.ts";
import type { GatewayAddress } from "./link/gateway-address.ts";
import type { ProxyFor } from "./link/proxy-rules.ts";
import type { AllowedCommands, Inventory } from "./release-preparer.ts";

export const DEFAULT_HEARTBEAT_INTERVAL_MS = 5_000;
/** Measuring reads every installed byte: often enough to see drift, seldom enough for flash. */
export const DEFAULT_EVIDENCE_INTERVAL_MS = 60_000;
/** Nothing that the center could make up: who takes it over can reboot a device, and no more. */
export const DEFAULT_COMMANDS: AllowedCommands = "built-in";
export const DEFAULT_CODEC: CodecName = "json";
export const DEFAULT_ADMIN_PORT = 9466;
/** How long `stop` waits for the step that is under way. */
export const DEFAULT_STOP_TIMEOUT_MS = 10_000;

export interface AgentOptions {
  /** Everything the agent keeps; made when it is not there. One agent a folder. */
  readonly dataDirectory: string;
  /** `https://HOST:7443`. */
  readonly enrolmentUrl: string;
  /** Of all connections that the agent opens; see `readProxyRules`. Default: no proxy. */
  readonly proxyFor?: ProxyFor;
  /** One-time token; needed until the device is enrolled, ignored afterwards. */
  readonly token?: string;
  /** Instead of the center's directory. Read with `parseGatewayAddress`. */
  readonly gateways?: readonly GatewayAddress[];
  /** Default 5,000; a gateway may demand another through its keep alive. */
  readonly heartbeatIntervalMs?: number;
  /** Of heartbeats; JSON with a gateway that does not know it. Default `json`. */
  readonly codec?: CodecName;
  /** Default 60,000: between two measurements of what runs. */
  readonly evidenceIntervalMs?: number;
  /** Longest cap of the link's back-off. Default 60,000. */
  readonly backoffCeilingMs?: number;
  /** Facts that releases and selectors may ask for; `os`, `arch`, `kernel` are added. */
  readonly inventory?: Inventory;
  /** Which commands the center may have run here. Default `built-in`. */
  readonly commands?: AllowedCommands;
  /** Programs of the device's owner; see hooks.ts. */
  readonly hooks?: Partial<HookPrograms>;
  /** Default 127.0.0.1. */
  readonly adminHost?: string;
  /** Default 9466; 0 takes a free one. */
  readonly adminPort?: number;
  /** Default 10,000. */
  readonly stopTimeoutMs?: number;
  /** Muster's version, for hello and metrics. */
  readonly version: string;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: Random;
  /** Aborts a start that still waits for the center. */
  readonly signal?: AbortSignal;
}

export interface RunningAgent extends AsyncDisposable {
  readonly tenant: string;
  readonly device: string;
  readonly adminPort: number;
  /** What hello and heartbeats say. */
  statuses(): SlotStatuses;
  readonly isConnected: boolean;
  /** Rejects when the agent cannot go on (a bug); resolves after `stop`. */
  readonly ended: Promise<void>;
  /**
   * Takes no more work, lets the step under way end within the stop time-out (or until `signal`),
   * says goodbye and closes. What is cut short goes on at the next start.
   */
  stop(signal?: AbortSignal): Promise<void>;
}

/** Throws `invalid_argument` for numbers outside of their limits. */
export function checkAgentOptions(options: AgentOptions): void {
  checkNumber("heartbeatIntervalMs", options.heartbeatIntervalMs, 100, 3_600_000);
  checkNumber("evidenceIntervalMs", options.evidenceIntervalMs, 100, 86_400_000);
  checkNumber("backoffCeilingMs", options.backoffCeilingMs, 1, 3_600_000);
  checkNumber("adminPort", options.adminPort, 0, 65_535);
  checkNumber("stopTimeoutMs", options.stopTimeoutMs, 0, 3_600_000);
}

function checkNumber(field: string, value: number | undefined, least: number, most: number): void {
  if (value === undefined || (Number.isInteger(value) && value >= least && value <= most)) return;
  throw new MusterError({
    code: "invalid_argument",
    message: `${field} is ${value}, not a whole number from ${least} to ${most}`,
    detail: { field },
  });
}
