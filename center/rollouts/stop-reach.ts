// SPDX-License-Identifier: Apache-2.0
/**
 * How far an order to offer nothing more has got: pure. All times are the center's own: from the
 * command (or the engine's decision) until the center heard of it, so they are upper bounds of what
 * happened at the gateway and never compare two clocks.
 */
import { z } from "zod";
import type { StoredDocument } from "../../ports/store.ts";

/** Devices of one gateway that had an offer and had not answered it; they only grow. */
export interface StopCounts {
  readonly held: number;
  /** Of those: the withdrawal was written to the connection. */
  readonly told: number;
  /** Of those: acknowledged the withdrawal. */
  readonly confirmed: number;
  /** Of those: the answer to the offer came first. */
  readonly answered: number;
  /** Of those: the connection ended first. */
  readonly gone: number;
}

export interface GatewayReach extends StopCounts {
  readonly gateway: string;
  /** Cut off when the order was given: wall time after which it offers nothing. 0 = connected. */
  readonly leasesEndAtMs: number;
  /** null: not heard of yet. */
  readonly informedAfterMs: number | null;
  /** The last of `confirmed`; null: none yet. */
  readonly devicesAfterMs: number | null;
}

export interface StopReach {
  readonly stopEpoch: number;
  /** Wall time. */
  readonly atMs: number;
  /** Devices that had an offer and no connection. */
  readonly notConnected: number;
  /** Until when those may accept it, wall time. */
  readonly offersEndAtMs: number;
  /** By name. */
  readonly gateways: readonly GatewayReach[];
}

const counts = {
  held: z.int(),
  told: z.int(),
  confirmed: z.int(),
  answered: z.int(),
  gone: z.int(),
};

const stored: z.ZodType<StopReach> = z.strictObject({
  stopEpoch: z.int(),
  atMs: z.number(),
  notConnected: z.int(),
  offersEndAtMs: z.number(),
  gateways: z.array(
    z.strictObject({
      gateway: z.string(),
      leasesEndAtMs: z.number(),
      informedAfterMs: z.number().nullable(),
      devicesAfterMs: z.number().nullable(),
      ...counts,
    }),
  ),
});

export function readStopReach(document: StoredDocument): StopReach {
  return stored.parse(document.value);
}

const NONE: StopCounts = { held: 0, told: 0, confirmed: 0, answered: 0, gone: 0 };

/** A gateway of which nothing was heard yet. */
export function unheardGateway(gateway: string, leasesEndAtMs: number): GatewayReach {
  return { gateway, leasesEndAtMs, informedAfterMs: null, devicesAfterMs: null, ...NONE };
}

/** The gateway acknowledged, first or again; a repeat of before a broken stream changes nothing. */
export function heard(
  before: GatewayReach,
  said: StopCounts | undefined,
  afterMs: number,
): GatewayReach {
  const { held, told, confirmed, answered, gone } = said ?? NONE;
  const hasConfirmed = confirmed > before.confirmed;
  return {
    ...before,
    informedAfterMs: before.informedAfterMs ?? afterMs,
    devicesAfterMs: hasConfirmed ? afterMs : before.devicesAfterMs,
    held: Math.max(before.held, held),
    told: Math.max(before.told, told),
    confirmed: Math.max(before.confirmed, confirmed),
    answered: Math.max(before.answered, answered),
    gone: Math.max(before.gone, gone),
  };
}

/** Every device of the gateway that had an offer is accounted for. */
export function isComplete(reach: GatewayReach): boolean {
  const { informedAfterMs, held, confirmed, answered, gone } = reach;
  return informedAfterMs !== null && confirmed + answered + gone >= held;
}
