// SPDX-License-Identifier: Apache-2.0
/** Opens the CoAP listeners that the operator has asked for. */
import type { GatewayCore } from "./core.ts";
import { insecureListener, oscoreListener } from "./listeners/coap/coap-listener.ts";
import { startCoapServer, type CoapServer } from "./listeners/coap/coap-server.ts";
import type { ResolvedGatewayOptions } from "./options.ts";
import { contextFetcher } from "./uplink/context-fetcher.ts";

/** null: nobody has asked for it. */
export async function openCoap(
  core: GatewayCore,
  { coapPort: port, host }: ResolvedGatewayOptions,
): Promise<CoapServer | null> {
  if (port === null) return null;
  const connection = core.connectCenter();
  const fetchContexts = contextFetcher(connection.client);
  const { coapContext: context } = core;
  const server = await startCoapServer({
    what: "the CoAP listener",
    host,
    port,
    makeListener: (transmit) => oscoreListener({ context, transmit, fetchContexts }),
  });
  const close = async (): Promise<void> => {
    await server.close();
    connection.close();
  };
  return { ...server, close };
}

/** null: nobody has asked for it. */
export async function openInsecureCoap(
  core: GatewayCore,
  { insecureCoapPort: port, insecureCoapHost: host, logger }: ResolvedGatewayOptions,
): Promise<CoapServer | null> {
  if (port === null) return null;
  const server = await startCoapServer({
    what: "the insecure CoAP listener",
    host,
    port,
    makeListener: (transmit) => insecureListener(core.coapContext, transmit),
  });
  const where = { host, port: server.port };
  logger.warn("an insecure CoAP listener is open: devices are who they say", where);
  return server;
}
