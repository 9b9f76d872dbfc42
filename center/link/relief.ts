// SPDX-License-Identifier: Apache-2.0
/**
 * Where a gateway that is full may send devices: the gateways of its region that have most room.
 * Worked out for a region at most once a second, however many of its gateways ask: a region that is
 * full asks with each heartbeat of each worker.
 */
import type { Clock } from "../../ports/clock.ts";
import { gatewayOfWorker } from "../../protocol/link/gateway-worker.ts";
import type { GatewayRegistry, GatewayService, GatewayStatus } from "./gateway-registry.ts";

export interface ReliefPlace {
  readonly gateway: string;
  readonly ip: string;
  readonly services: GatewayService[];
  /** How many devices more it wants. */
  readonly room: number;
}

/** To spread over; with more of them a heartbeat's answer would only be longer. */
const MAX_PLACES = 8;
/** A gateway heartbeats every 5 s. */
const LIFETIME_MS = 1_000;

/** A storm takes longer than a heartbeat to fill the rest. */
const NEARLY_FULL = 0.75;

interface KnownPlaces {
  readonly places: readonly ReliefPlace[];
  readonly atMs: number;
}

type Gateways = Pick<GatewayRegistry, "statusOf" | "whole">;

export class Relief {
  readonly #gateways: Gateways;
  readonly #clock: Clock;
  readonly #byRegion = new Map<string, KnownPlaces>();

  constructor(options: { gateways: Gateways; clock: Clock }) {
    this.#gateways = options.gateways;
    this.#clock = options.clock;
  }

  /** Most room first, none: all are full. Null: the gateway has room itself, and need not know. */
  placesFor(gatewayNumber: number): ReliefPlace[] | null {
    const who = this.#gateways.statusOf(gatewayNumber);
    if (who === null || who.connectedDevices < NEARLY_FULL * who.connectionLimit) return null;
    if (who.connectionLimit === 0) return null;
    const own = gatewayOfWorker(who.gateway);
    const others = this.#placesOf(who.region).filter(({ gateway }) => gateway !== own);
    return others.slice(0, MAX_PLACES);
  }

  #placesOf(region: string): readonly ReliefPlace[] {
    const nowMs = this.#clock.monotonicMs();
    const known = this.#byRegion.get(region);
    if (known !== undefined && nowMs - known.atMs < LIFETIME_MS) return known.places;
    const places = this.#gateways
      .whole()
      .filter((status) => status.online && status.region === region && roomOf(status) > 0)
      .map((status) => ({
        gateway: status.gateway,
        ip: status.ip,
        services: [...status.services],
        room: roomOf(status),
      }))
      .sort((one, other) => other.room - one.room)
      // One of them may be who asks.
      .slice(0, MAX_PLACES + 1);
    this.#byRegion.set(region, { places, atMs: nowMs });
    return places;
  }
}

/** 0 for one that does not say how many it wants. */
function roomOf({ connectionLimit, connectedDevices }: GatewayStatus): number {
  return Math.max(0, connectionLimit - connectedDevices);
}
