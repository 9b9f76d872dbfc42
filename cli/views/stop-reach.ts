// SPDX-License-Identifier: Apache-2.0
/** How far a stop, pause or hold has got, in one sentence. */
import type { GatewayReach, StopReach } from "../../protocol/gen/muster/v1/deploy_pb.ts";
import { countOf, formatCount, formatInstant } from "../output/units.ts";

/** The figures of a stop over all gateways. */
export interface StopFigures {
  readonly gateways: number;
  readonly gatewaysInformed: number;
  /** Until the last of them; null: none yet. */
  readonly gatewaysMs: number | null;
  /** That had an offer and had not answered it, connected or not. */
  readonly devices: number;
  readonly devicesInformed: number;
  readonly devicesMs: number | null;
  /** The answer to the offer crossed the stop. */
  readonly devicesAnswered: number;
  readonly devicesNotConnected: number;
}

export function stopFigures({ gateways, notConnected }: StopReach): StopFigures {
  const sum = (count: (gateway: GatewayReach) => number): number =>
    gateways.reduce((total, gateway) => total + count(gateway), 0);
  const last = (time: (gateway: GatewayReach) => number | undefined): number | null =>
    gateways.reduce<number | null>((most, gateway) => {
      const timeMs = time(gateway);
      return timeMs === undefined ? most : Math.max(most ?? 0, timeMs);
    }, null);
  return {
    gateways: gateways.length,
    gatewaysInformed: gateways.filter((gateway) => gateway.informedAfterMs !== undefined).length,
    gatewaysMs: last((gateway) => gateway.informedAfterMs),
    devices: sum((gateway) => gateway.held) + notConnected,
    devicesInformed: sum((gateway) => gateway.confirmed),
    devicesMs: last((gateway) => gateway.devicesAfterMs),
    devicesAnswered: sum((gateway) => gateway.answered),
    devicesNotConnected: sum((gateway) => gateway.gone) + notConnected,
  };
}

/** Every gateway has the order, and every device with an offer is accounted for. */
export function hasReachedAll(figures: StopFigures): boolean {
  const { devices, devicesInformed, devicesAnswered, devicesNotConnected } = figures;
  const isEveryGateway = figures.gatewaysInformed === figures.gateways;
  return isEveryGateway && devicesInformed + devicesAnswered + devicesNotConnected >= devices;
}

/** "2 of 2 gateways after 12 ms; 998 of 1,000 devices with an offer after 85 ms; 2 were …". */
export function stopReachText(reach: StopReach): string {
  const figures = stopFigures(reach);
  const parts = [gatewaysText(figures), ...cutOffTexts(reach), devicesText(figures)];
  if (figures.devicesAnswered > 0) {
    parts.push(`${formatCount(figures.devicesAnswered)} had answered it meanwhile`);
  }
  if (figures.devicesNotConnected > 0) {
    const until = formatInstant(reach.offersEndAtMs);
    const verb = figures.devicesNotConnected === 1 ? "was" : "were";
    const count = formatCount(figures.devicesNotConnected);
    parts.push(`${count} ${verb} not connected, their offers end ${until}`);
  }
  return parts.join("; ");
}

/** "2 of 2 gateways after 12 ms". */
export function gatewaysText(figures: StopFigures): string {
  const { gatewaysInformed, gateways, gatewaysMs } = figures;
  return `${gatewaysInformed} of ${countOf(gateways, "gateway")}${afterText(gatewaysMs)}`;
}

/** "998 of 1,000 devices with an unanswered offer after 85 ms". */
export function devicesText(figures: StopFigures): string {
  if (figures.devices === 0) return "no device had an unanswered offer";
  const { devicesInformed, devices, devicesMs } = figures;
  const which = `${countOf(devices, "device")} with an unanswered offer`;
  return `${formatCount(devicesInformed)} of ${which}${afterText(devicesMs)}`;
}

function cutOffTexts({ gateways }: StopReach): string[] {
  return gateways
    .filter((gateway) => gateway.leasesEndAtMs > 0n && gateway.informedAfterMs === undefined)
    .map(({ gateway, leasesEndAtMs }) => {
      return `${gateway} is cut off and offers nothing after ${formatInstant(leasesEndAtMs)}`;
    });
}

function afterText(timeMs: number | null): string {
  return timeMs === null ? "" : ` after ${formatCount(Math.ceil(timeMs))} ms`;
}
