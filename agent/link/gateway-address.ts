// SPDX-License-Identifier: Apache-2.0
/** Where a gateway is reached: its MQTT and its artifacts port, which may be one. */
import { MusterError } from "../../domain/errors.ts";

export interface GatewayAddress {
  readonly host: string;
  readonly mqttsPort: number;
  readonly artifactsPort: number;
}

/** For logs and metrics. */
export function gatewayName(gateway: GatewayAddress): string {
  const { host, mqttsPort } = gateway;
  return host.includes(":") ? `[${host}]:${mqttsPort}` : `${host}:${mqttsPort}`;
}

/**
 * Reads `host:mqttsPort:artifactsPort`, or `host:port` where they are one (an IPv6 address in
 * brackets); null when it is neither.
 */
export function readGatewayAddress(text: string): GatewayAddress | null {
  const match = /^(?:\[([0-9A-Fa-f:.%]+)\]|([^:[\]\s]+)):(\d{1,5})(?::(\d{1,5}))?$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const mqttsPort = Number(match?.[3]);
  const artifactsPort = Number(match?.[4] ?? match?.[3]);
  if (host !== undefined && isPort(mqttsPort) && isPort(artifactsPort)) {
    return { host, mqttsPort, artifactsPort };
  }
  return null;
}

/** The same of what an operator wrote; throws `invalid_argument`. */
export function parseGatewayAddress(text: string, field: string): GatewayAddress {
  const address = readGatewayAddress(text);
  if (address !== null) return address;
  const given = JSON.stringify(text.slice(0, 300));
  throw new MusterError({
    code: "invalid_argument",
    message: `gateway ${given} is neither host:port nor host:mqttsPort:artifactsPort`,
    detail: {
      field,
      hint: "for example gateway-1.example.org:443, or gateway-1.example.org:8883:7444",
    },
  });
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port >= 1 && port <= 65_535;
}
