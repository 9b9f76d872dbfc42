// SPDX-License-Identifier: Apache-2.0
/** What every part of a center is put together from. */
import type { ArtifactStore } from "../ports/artifact-store.ts";
import type { Clock } from "../ports/clock.ts";
import type { EventLog } from "../ports/event-log.ts";
import type { Logger } from "../ports/logger.ts";
import type { Random } from "../ports/random.ts";
import type { Store } from "../ports/store.ts";
import type { CenterIdentity } from "./identity-wiring.ts";
import type { RootOf } from "./identity/offer-roots.ts";
import type { CenterOptions } from "./options.ts";

export interface CenterBase {
  readonly options: CenterOptions;
  readonly store: Store;
  readonly log: EventLog;
  readonly artifacts: ArtifactStore;
  readonly identity: CenterIdentity;
  readonly rootOf: RootOf;
  readonly clock: Clock;
  readonly random: Random;
  readonly logger: Logger;
  /** Aborted when the center stops. */
  readonly signal: AbortSignal;
}

/** Of gateways and devices, where nobody says otherwise. */
export const DEFAULT_HEARTBEAT_MS = 5_000;
export const DEFAULT_MISSES = 3;
