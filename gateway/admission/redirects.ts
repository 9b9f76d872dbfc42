// SPDX-License-Identifier: Apache-2.0
/**
 * Where devices go that are more than this gateway wants: other gateways of its region with room,
 * as the center said with the last heartbeats. A place is given to as many devices as it has room
 * for; when all are given, or nobody has said lately where there is room, devices stay, up to the
 * places that this process has. So nobody is sent in a circle, and nobody away for nothing.
 */
import type { Clock } from "../../ports/clock.ts";
import type { Logger } from "../../ports/logger.ts";
import type { Relief } from "../../protocol/gen/muster/v1/gateway_pb.ts";
import type { SessionTable } from "../sessions/session-table.ts";

/** Three heartbeats: after that a place may be full, or gone. */
const LIFETIME_MS = 15_000;
/** One line a minute says it; a metric counts. */
const LOG_EVERY_MS = 60_000;

/** The service of a gateway that a device came to, by its name in the registry. */
export type RedirectedService = "mqtts" | "insecure-mqtt" | "framed";

export interface RedirectsOptions {
  /** Devices above which further ones are sent on. */
  readonly limit: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Place {
  readonly ip: string;
  readonly ports: ReadonlyMap<string, number>;
  room: number;
}

export class Redirects {
  /** Devices above which further ones are sent on. */
  readonly limit: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #places: readonly Place[] = [];
  #toldAtMs = -Infinity;
  #loggedAtMs = -Infinity;

  constructor({ limit, clock, logger }: RedirectsOptions) {
    this.limit = limit;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Takes the place of what was said before. */
  replace(relief: Relief): void {
    this.#toldAtMs = this.#clock.monotonicMs();
    this.#places = relief.places.map(({ ip, services, room }) => ({
      ip,
      room,
      ports: new Map(services.map(({ name, port }) => [name, port])),
    }));
  }

  /**
   * `HOST:PORT` of a gateway that has room for one more at its service of this name, as in MQTT's
   * Server Reference (§4.13 of MQTT 5.0). Null: there is none.
   */
  draw(service: RedirectedService): string | null {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#toldAtMs > LIFETIME_MS) return null;
    let best: Place | null = null;
    for (const place of this.#places) {
      if (place.ports.has(service) && place.room > (best?.room ?? 0)) best = place;
    }
    if (best === null) return null;
    best.room -= 1;
    if (nowMs - this.#loggedAtMs >= LOG_EVERY_MS) {
      this.#loggedAtMs = nowMs;
      const facts = { limit: this.limit };
      this.#logger.warn("the gateway is full: devices are sent to others of its region", facts);
    }
    const host = best.ip.includes(":") ? `[${best.ip}]` : best.ip;
    return `${host}:${best.ports.get(service) ?? 0}`;
  }
}

/**
 * Where a device is to go that comes to this service; null: it stays. Who is here already makes
 * nobody more.
 */
export function elsewhere(
  context: {
    readonly table: Pick<SessionTable, "openCount" | "slotOfDevice">;
    readonly redirects: Pick<Redirects, "limit" | "draw">;
  },
  device: string,
  service: RedirectedService,
): string | null {
  const { table, redirects } = context;
  if (table.openCount < redirects.limit || table.slotOfDevice(device) !== -1) return null;
  return redirects.draw(service);
}
