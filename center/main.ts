// SPDX-License-Identifier: Apache-2.0
/** The center, as the command line and the demo start it. */
export type { CenterOptions, RunningCenter } from "./options.ts";
export { startCenter } from "./wiring.ts";
