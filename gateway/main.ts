// SPDX-License-Identifier: Apache-2.0
/** The gateway, as the command line and the demo start it. */
export { startGateway } from "./wiring.ts";
export type { GatewayOptions, RunningGateway } from "./options.ts";
