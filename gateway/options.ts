// SPDX-License-Identifier: Apache-2.0
/** What a gateway is told at its start, and what it is while it runs. */
import type { Registry } from "prom-client";
import { LEAST_BYTES_PER_SECOND } from "../domain/bandwidth.ts";
import { MusterError } from "../domain/errors.ts";
import { checkName } from "../domain/identity.ts";
import type { Clock } from "../ports/clock.ts";
import type { Logger } from "../ports/logger.ts";
import type { Random } from "../ports/random.ts";
import { readEnrolmentUrl } from "../protocol/device/enrolment-url.ts";
import { MAX_WORKERS } from "../protocol/link/gateway-worker.ts";
import type { TicketKeysUser } from "./ticket-keys.ts";
import { MAX_SLOTS } from "./sessions/session-table.ts";
import type { Sibling } from "../protocol/gen/muster/v1/gateway_pb.ts";

export interface GatewayOptions {
  /** Leases, artifact cache, trust metadata; made when it is not there. */
  readonly dataDirectory: string;
  /** `key.pem`, `cert.pem`, `ca.pem`, as enrolment writes them. */
  readonly identityDirectory: string;
  /** As in the certificate's `muster-gateway://{region}/{gateway}`. */
  readonly gatewayId: string;
  readonly region: string;
  /** The address under which devices and operators reach this gateway; only announced. */
  readonly ip: string;
  /** `host:port` of the center's GatewayLink. */
  readonly centerAddress: string;
  /** Address of the device listeners. Default "0.0.0.0". */
  readonly host?: string;
  /** Default 8883; 0 takes a free one. */
  readonly mqttsPort?: number;
  /** Framed TCP over TLS, usually 7700; 0 takes a free one. Default null: none. */
  readonly framedPort?: number | null;
  /** CoAP under OSCORE, usually 5683; 0 takes a free one. Default null: none. */
  readonly coapPort?: number | null;
  /**
   * MQTT without TLS, on which devices are who they say; 0 takes a free one. Default null: none.
   * For networks that authenticate and encrypt by themselves: a VPN, this machine.
   */
  readonly insecureMqttPort?: number | null;
  /** Address of that listener alone. Default "127.0.0.1". */
  readonly insecureMqttHost?: string;
  /** CoAP without protection, in the same way. */
  readonly insecureCoapPort?: number | null;
  /** Address of that listener alone. Default "127.0.0.1". */
  readonly insecureCoapHost?: string;
  /**
   * Default 7444; 0 takes a free one. null, or the same number as `mqttsPort`: artifacts are on
   * that port alone, and devices are told so.
   */
  readonly artifactsPort?: number | null;
  /** Unix socket by which several workers reach the artifacts of the first. Default null: none. */
  readonly artifactsSocket?: string | null;
  /**
   * `https://HOST:7443` of the center, to which `mqttsPort` passes on devices that want to enrol.
   * Default null: it does not.
   */
  readonly enrolmentUrl?: string | null;
  /**
   * From 1: one of several processes of this gateway, which share the ports of MQTT and framed TCP.
   * Artifacts and CoAP are worker 1's alone; the others announce its port. Default 0: the gateway
   * is this process.
   */
  readonly worker?: number;
  /** Default "127.0.0.1". */
  readonly adminHost?: string;
  /** Default 9465; 0 takes a free one. */
  readonly adminPort?: number;
  /** How often devices send a heartbeat, ms. Default 5,000. */
  readonly heartbeatIntervalMs?: number;
  /** Missed heartbeats after which a device is offline. Default 3. */
  readonly missesAllowed?: number;
  /** Time to find out, ms; also the grace after this process was stalled. Default 2,000. */
  readonly detectionMs?: number;
  /** From the connection to CONNECT, ms. Default 10,000. */
  readonly connectDeadlineMs?: number;
  /**
   * Devices at once, at most 1,048,576. Default 18,000: a process usually has 20,000 file
   * descriptors, of which a device takes one, unless it speaks CoAP.
   */
  readonly maxConnections?: number;
  /**
   * Devices of the whole gateway above which further ones are sent to other gateways of its region
   * that have room, if any has (MQTT 5: 0x9C with a Server Reference; 3.1.1: refused). Each worker
   * takes its part. Default 100,000; never more than `redirectLimit` leaves.
   */
  readonly redirectAbove?: number;
  /**
   * New connections that begin in a second, at most; less while the event loop is busy. Default
   * 1,000: at that rate devices that are connected wait less than twice as long as without.
   */
  readonly connectionRate?: number;
  /**
   * Things that wait for the center; above it, devices that are not critical are told to send
   * heartbeats less often. Default 10,000.
   */
  readonly backlogLimit?: number;
  /**
   * Longest time that an MQTT session is kept for a device that lost its connection, s; 0: none is.
   * Default 3,600: what a device missed for longer, the center offers anew.
   */
  readonly sessionExpiryMaxSeconds?: number;
  /** Load balancers that speak the PROXY protocol, as addresses or CIDR blocks. Default none. */
  readonly proxies?: readonly string[];
  /** Artifact cache, bytes. Default 10 GiB. */
  readonly cacheBytes?: number;
  /** Cache of chunks, bytes. Default 4 GiB. */
  readonly chunkCacheBytes?: number;
  /** Cap of all artifacts sent, bytes a second. Default null: none. */
  readonly gatewayBytesPerSecond?: number | null;
  /** Cap of the artifacts sent to one device, bytes a second. Default null: none. */
  readonly deviceBytesPerSecond?: number | null;
  /** How long `stop` waits for the center when the devices were sent away, ms. Default 5,000. */
  readonly drainTimeoutMs?: number;
  /** Of Muster, announced to the center. */
  readonly version: string;
  readonly clock?: Clock;
  readonly random?: Random;
  readonly logger: Logger;
  /** Aborting is the same as calling `stop`. */
  readonly signal?: AbortSignal;
}

export interface RunningGateway extends AsyncDisposable, TicketKeysUser {
  readonly mqttsPort: number;
  /** null: there is none. */
  readonly framedPort: number | null;
  /** null: there is none. */
  readonly insecureMqttPort: number | null;
  /** null: there is none. */
  readonly coapPort: number | null;
  /** null: there is none. */
  readonly insecureCoapPort: number | null;
  readonly artifactsPort: number;
  readonly adminPort: number;
  readonly registry: Registry;
  /** Why it cannot do its work; empty when it can. */
  notReady(): readonly string[];
  /** True while the center answers. */
  isLinked(): boolean;
  /** Devices with an open session. */
  sessionCount(): number;
  /** The other gateways, as the center last said. */
  siblings(): readonly Sibling[];
  /**
   * Sends a part of its connections (0 to 1) to the workers beside it, and takes none meanwhile;
   * resolves when it takes devices again. Nothing, while it does so already.
   */
  makeRoom(part: number): Promise<void>;
  /**
   * Drains and ends: takes no more devices, gives leases back, waits for its reports, says goodbye
   * to devices (MQTT 5: 0x8B) and center. Within the drain timeout; later calls share the first.
   */
  stop(): Promise<void>;
  /** Resolves when the gateway has stopped, whoever stopped it. */
  readonly stopped: Promise<void>;
}

export type ResolvedGatewayOptions = Required<Omit<GatewayOptions, "signal">>;

/** The options with their defaults. Throws `invalid_argument` for values that cannot work. */
export function resolveOptions(
  options: GatewayOptions,
  ports: { readonly clock: Clock; readonly random: Random },
): ResolvedGatewayOptions {
  checkName(options.gatewayId, "gateway id", "gatewayId");
  checkName(options.region, "region", "region");
  const resolved: ResolvedGatewayOptions = {
    ...ports,
    host: "0.0.0.0",
    mqttsPort: 8883,
    framedPort: null,
    insecureMqttPort: null,
    insecureMqttHost: "127.0.0.1",
    coapPort: null,
    insecureCoapPort: null,
    insecureCoapHost: "127.0.0.1",
    artifactsPort: 7444,
    artifactsSocket: null,
    enrolmentUrl: null,
    worker: 0,
    adminHost: "127.0.0.1",
    adminPort: 9465,
    heartbeatIntervalMs: 5_000,
    missesAllowed: 3,
    detectionMs: 2_000,
    connectDeadlineMs: 10_000,
    maxConnections: 18_000,
    redirectAbove: 100_000,
    connectionRate: 1_000,
    backlogLimit: 10_000,
    sessionExpiryMaxSeconds: 3_600,
    proxies: [],
    cacheBytes: 10 * 2 ** 30,
    chunkCacheBytes: 4 * 2 ** 30,
    gatewayBytesPerSecond: null,
    deviceBytesPerSecond: null,
    drainTimeoutMs: 5_000,
    ...options,
  };
  if (!/^[^\s/]+:\d{1,5}$/.test(resolved.centerAddress)) {
    throw new MusterError({
      code: "invalid_argument",
      message: `the center's address ${JSON.stringify(resolved.centerAddress)} is not host:port`,
      detail: { field: "centerAddress", hint: "give it as HOST:50051, a name in its certificate" },
    });
  }
  if (resolved.enrolmentUrl !== null) readEnrolmentUrl(resolved.enrolmentUrl);
  checkRange(resolved, "heartbeatIntervalMs", 100, 3_600_000);
  checkRange(resolved, "missesAllowed", 1, 100);
  checkRange(resolved, "detectionMs", 0, 600_000);
  checkRange(resolved, "connectDeadlineMs", 100, 600_000);
  checkRange(resolved, "worker", 0, MAX_WORKERS);
  checkRange(resolved, "maxConnections", 1, MAX_SLOTS);
  checkRange(resolved, "redirectAbove", 1, MAX_WORKERS * MAX_SLOTS);
  checkRange(resolved, "connectionRate", 1, 100_000);
  checkRange(resolved, "backlogLimit", 1, 1_000_000);
  checkRange(resolved, "sessionExpiryMaxSeconds", 0, 604_800);
  checkRange(resolved, "cacheBytes", 1, Number.MAX_SAFE_INTEGER);
  checkRange(resolved, "chunkCacheBytes", 1, Number.MAX_SAFE_INTEGER);
  checkRate(resolved, "gatewayBytesPerSecond");
  checkRate(resolved, "deviceBytesPerSecond");
  return resolved;
}

/** The rest is for who has to be told where to go: without a place, nobody can be answered. */
const REDIRECT_BELOW = 0.95;

/** Devices of this process above which it sends further ones on. */
export function redirectLimit(
  options: Pick<ResolvedGatewayOptions, "redirectAbove" | "maxConnections">,
): number {
  const { redirectAbove, maxConnections } = options;
  return Math.min(redirectAbove, Math.max(1, Math.floor(maxConnections * REDIRECT_BELOW)));
}

function checkRate(
  options: ResolvedGatewayOptions,
  field: "gatewayBytesPerSecond" | "deviceBytesPerSecond",
): void {
  const value = options[field];
  if (value === null || value >= LEAST_BYTES_PER_SECOND) return;
  throw new MusterError({
    code: "invalid_argument",
    message: `${field} is ${value}; it must be at least ${LEAST_BYTES_PER_SECOND}`,
    detail: { field, hint: "slower than that, devices give connections up as silent" },
  });
}

type NumberField = {
  [field in keyof ResolvedGatewayOptions]: ResolvedGatewayOptions[field] extends number
    ? field
    : never;
}[keyof ResolvedGatewayOptions];

function checkRange(
  options: ResolvedGatewayOptions,
  field: NumberField,
  least: number,
  most: number,
): void {
  const value = options[field];
  if (value >= least && value <= most) return;
  throw new MusterError({
    code: "invalid_argument",
    message: `${field} is ${value}; it must be a number from ${least} to ${most}`,
    detail: { field },
  });
}
