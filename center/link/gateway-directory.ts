// SPDX-License-Identifier: Apache-2.0
/** Which gateways a device is told of when it asks the enrolment listener. */
import type { GatewayDirectory } from "../../protocol/device/enrolment.ts";
import type { GatewayRegistry } from "./gateway-registry.ts";

/** Gateways that a device may connect to now; those that are offline are left out. */
export function directoryOf(registry: GatewayRegistry): GatewayDirectory {
  const portOf = (services: readonly { name: string; port: number }[], name: string): number =>
    services.find((service) => service.name === name)?.port ?? 0;
  const gateways = registry
    .whole()
    .filter((status) => status.online)
    .map(({ gateway, region, ip, services, connectedDevices, connectionLimit }) => ({
      gateway,
      region,
      host: ip,
      mqttsPort: portOf(services, "mqtts"),
      artifactsPort: portOf(services, "artifacts"),
      isFull: connectionLimit > 0 && connectedDevices >= connectionLimit,
    }))
    .filter(({ mqttsPort, artifactsPort }) => mqttsPort !== 0 && artifactsPort !== 0);
  return { gateways };
}
