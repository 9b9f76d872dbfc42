// SPDX-License-Identifier: Apache-2.0
/** The thread in which the event log's core runs; started by `event-log.ts`. */
import { buffersOf, serveCalls } from "../../runtime/worker-serve.ts";
import { openEventLogCore } from "./event-log-core.ts";
import type { EventLogCoreOptions } from "./event-log-core.ts";

serveCalls({
  open: (options: EventLogCoreOptions) => {
    const core = openEventLogCore(options);
    return { core, facts: core.facts };
  },
  transferOf: buffersOf,
});
