// SPDX-License-Identifier: Apache-2.0
/** What passes between a swarm and the processes that it is divided over; JSON. */
import type { EncodedError } from "../../runtime/worker-messages.ts";
import type { SwarmOptions } from "./options.ts";
import type { SwarmStats } from "./swarm-stats.ts";

/** What of the options can cross to another process. */
export type PartOptions = Omit<
  SwarmOptions,
  "clock" | "random" | "logger" | "signal" | "onEnrolled"
> & { readonly devices: NonNullable<SwarmOptions["devices"]> };

export type ToPart =
  | { readonly kind: "start"; readonly options: PartOptions }
  | { readonly kind: "stop" };

export type FromPart =
  | { readonly kind: "enrolled"; readonly deviceCount: number }
  | { readonly kind: "started"; readonly journalFile: string }
  | { readonly kind: "stats"; readonly stats: SwarmStats }
  | { readonly kind: "failed"; readonly error: EncodedError };
