// SPDX-License-Identifier: Apache-2.0
/** The center, as the command line and the demo start it. */
export { startCenter, type CenterOptions, type RunningCenter } from "./wiring.ts";
