// SPDX-License-Identifier: Apache-2.0
//
// Every server that an engine of ours speaks to.

import { kafka } from "./kafka.ts";
import { postgres } from "./postgres.ts";
import type { ServerKind } from "./server.ts";

export const SERVERS: readonly ServerKind[] = [postgres, kafka];
